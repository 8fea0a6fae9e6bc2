#include "lemur/base/folder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"

namespace lemur {
namespace fs = std::filesystem;

namespace {

constexpr const char* kManifest = "manifest.json";

/// Writes a file that nobody reads yet.
void write_file(const fs::path& path, std::string_view bytes) {
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) fail_write(path);
}

/// Gives the folder `made` the name `path`; an older one of that name gets the name of `made`, or
/// another beside it, which is returned.
fs::path exchange(const fs::path& made, const fs::path& path) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path))) {
    fs::rename(made, path, error);
    if (error) fail<DataError>("files", "cannot publish {}: {}", path.string(), error.message());
    return made;
  }
  if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0)
    return made;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
    fail<DataError>("files", "cannot publish {}: {}", path.string(), std::strerror(errno));
  fs::path aside = made;
  aside += ".old";
  fs::rename(path, aside, error);
  if (!error) fs::rename(made, path, error);
  if (error) fail<DataError>("files", "cannot publish {}: {}", path.string(), error.message());
  return aside;
}

std::string checksum(const fs::path& path) {
  return fmt::format("{:016x}", hash_bytes(MappedFile(path).bytes()));
}

}  // namespace

void sync_path(const fs::path& path) {
  int descriptor = ::open(path.c_str(), O_RDONLY);
  if (descriptor < 0 || ::fsync(descriptor) != 0) {
    int error = errno;
    if (descriptor >= 0) ::close(descriptor);
    fail<DataError>("files", "cannot flush {} to disk: {}", path.string(), std::strerror(error));
  }
  ::close(descriptor);
}

void fail_write(const fs::path& path) {
  const int error = errno;
  fail<DataError>("files", "cannot write {}{}", path.string(),
                  error == 0 ? "" : fmt::format(": {}", std::strerror(error)));
}

FolderWriter::FolderWriter(fs::path path) : path_(std::move(path)) {
  if (path_.filename().empty()) path_ = path_.parent_path();
  temporary_ = fmt::format("{}.tmp-{}", path_.string(), ::getpid());
  std::error_code error;
  fs::remove_all(temporary_, error);
  fs::create_directories(temporary_, error);
  if (error) fail<DataError>("files", "cannot create {}: {}", temporary_.string(), error.message());
}

FolderWriter::~FolderWriter() {
  std::error_code ignored;
  if (!published_) fs::remove_all(temporary_, ignored);
}

void FolderWriter::publish(const nlohmann::json& manifest) {
  nlohmann::json complete = manifest;
  auto& files = complete["files"] = nlohmann::json::object();
  for (const auto& entry : fs::recursive_directory_iterator(temporary_)) {
    sync_path(entry.path());
    if (entry.is_directory()) continue;
    files[entry.path().lexically_relative(temporary_).string()] = {
        {"size_bytes", entry.file_size()}, {"xxh3", checksum(entry.path())}};
  }
  write_file(file(kManifest), complete.dump(1) + "\n");
  sync_path(file(kManifest));
  sync_path(temporary_);
  const fs::path old = exchange(temporary_, path_);
  published_ = true;
  std::error_code ignored;
  fs::remove_all(old, ignored);
  sync_path(path_.parent_path().empty() ? fs::path(".") : path_.parent_path());
}

nlohmann::json open_folder(const fs::path& path, bool verify) {
  if (!fs::exists(path / kManifest))
    fail<DataError>("files", "{} has no {}: nothing complete is there", path.string(), kManifest);
  nlohmann::json manifest;
  try {
    manifest = nlohmann::json::parse(read_file(path / kManifest));
    for (const auto& [name, entry] : manifest.at("files").items()) {
      std::error_code error;
      auto size = fs::file_size(path / name, error);
      auto expected = entry.at("size_bytes").get<uint64_t>();
      if (error) fail<DataError>("files", "{} is missing", (path / name).string());
      if (size != expected)
        fail<DataError>("files", "{} has {} bytes; its manifest says {}", (path / name).string(),
                        size, expected);
      if (verify) verify_file(path, manifest, name);
    }
  } catch (const nlohmann::json::exception& error) {
    fail<DataError>("files", "{} is damaged: {}", (path / kManifest).string(), error.what());
  }
  return manifest;
}

void check_format(const fs::path& path, const nlohmann::json& manifest, std::string_view format,
                  int version) {
  const auto named = [&](const char* key) {
    return manifest.is_object() ? manifest.value(key, nlohmann::json()) : nlohmann::json();
  };
  if (named("format") != format)
    fail<DataError>("files", "{} is no {}: its manifest says {}", path.string(), format,
                    named("format").dump());
  if (named("version") != version)
    fail<DataError>("files", "{} is a {} of version {}; this program reads version {}",
                    path.string(), format, named("version").dump(), version);
}

void verify_file(const fs::path& path, const nlohmann::json& manifest, const std::string& name) {
  const nlohmann::json& files = manifest.at("files");
  if (!files.contains(name))
    fail<DataError>("files", "{} does not name {}", (path / kManifest).string(), name);
  if (checksum(path / name) != files[name].at("xxh3").get<std::string>())
    fail<DataError>("files", "{} is damaged: its checksum differs from the manifest's",
                    (path / name).string());
}

MappedFile::MappedFile(const fs::path& path) : name_(path.string()) {
  int descriptor = ::open(path.c_str(), O_RDONLY);
  struct stat status {};
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0) {
    int error = errno;
    if (descriptor >= 0) ::close(descriptor);
    fail<DataError>("files", "cannot open {}: {}", name_, std::strerror(error));
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ > 0) {
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
    if (data_ == MAP_FAILED) {
      data_ = nullptr;
      ::close(descriptor);
      fail<DataError>("files", "cannot map {}: {}", name_, std::strerror(errno));
    }
  }
  ::close(descriptor);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(name_, other.name_);
  return *this;
}

void MappedFile::check_multiple(size_t item_bytes) const {
  if (size_ % item_bytes != 0)
    fail<DataError>("files", "{} has {} bytes, no multiple of {}", name_, size_, item_bytes);
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  const fs::path temporary = fmt::format("{}.tmp-{}", path.string(), ::getpid());
  std::error_code error;
  try {
    write_file(temporary, bytes);
    sync_path(temporary);
    fs::rename(temporary, path, error);
    if (error) fail<DataError>("files", "cannot write {}: {}", path.string(), error.message());
  } catch (const DataError&) {
    fs::remove(temporary, error);
    throw;
  }
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail<DataError>("files", "cannot read {}", path.string());
  std::ostringstream content;
  content << in.rdbuf();
  return std::move(content).str();
}

}  // namespace lemur
