// Folders that exist whole or not at all: atomic publication, manifest with sizes and checksums,
// mapped files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

namespace lemur {

/// Writes a folder under a temporary name and publishes it by one rename, which exchanges it for an
/// older one: at every moment a whole folder has the name. (On a file system that cannot exchange
/// folders, such as NFS, the older one steps aside first.) Files are written by the owner into
/// `file(name)`; an unpublished folder is removed by the destructor. Not thread-safe.
class FolderWriter {
 public:
  /// Creates `<path>.tmp-<pid>` beside `path`, and the parents. Throws DataError when that is
  /// impossible.
  explicit FolderWriter(std::filesystem::path path);
  ~FolderWriter();
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  /// Returns where the file `name` is to be written; its folder, if it has one, is the owner's to
  /// create.
  std::filesystem::path file(std::string_view name) const { return temporary_ / name; }

  /// Adds "files": {name: {"size_bytes", "xxh3"}} for every file of the folder and its folders,
  /// by its path in it, to `manifest` (an object), writes it as manifest.json, syncs everything and
  /// renames the folder to its final name; an older folder of that name is replaced. Throws
  /// DataError, an older folder untouched, where that is impossible.
  void publish(const nlohmann::json& manifest);

 private:
  std::filesystem::path path_, temporary_;
  bool published_ = false;
};

/// Reads `<path>/manifest.json` and checks that every file it names has the size it says; with
/// `verify` the checksums too. Throws DataError naming the file otherwise.
nlohmann::json open_folder(const std::filesystem::path& path, bool verify = false);

/// Checks that a manifest says {"format": `format`, "version": `version`}. Throws DataError naming
/// `path` otherwise, with both versions.
void check_format(const std::filesystem::path& path, const nlohmann::json& manifest,
                  std::string_view format, int version);

/// Checks the checksum of one file of a folder whose manifest `open_folder` returned. Throws
/// DataError naming the file where it differs or the manifest lacks it.
void verify_file(const std::filesystem::path& path, const nlohmann::json& manifest,
                 const std::string& name);

/// Read-only memory map of a whole file. Movable; the bytes live as long as the object.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws DataError when the file cannot be opened. An empty file maps to an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  /// Views the file as an array. Throws DataError if the size is no multiple of sizeof(T).
  template <typename T>
  std::span<const T> as() const {
    check_multiple(sizeof(T));
    return {static_cast<const T*>(data_), size_ / sizeof(T)};
  }

 private:
  void check_multiple(size_t item_bytes) const;
  void* data_ = nullptr;
  size_t size_ = 0;
  std::string name_;
};

/// Throws DataError: the file cannot be written, and why as errno has it.
[[noreturn]] void fail_write(const std::filesystem::path& path);

/// Replaces the file `path` atomically by `bytes`, synced to disk. Throws DataError, an older file
/// untouched, where that is impossible.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Returns the whole content of a file. Throws DataError when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Flushes a file or folder to disk. Throws DataError on failure.
void sync_path(const std::filesystem::path& path);

}  // namespace lemur
