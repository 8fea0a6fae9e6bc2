// Files of row arrays: a small header, arrays one after the other, a checksum at the end.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "lemur/base/folder.h"
#include "lemur/tables/chunked_rows.h"

namespace lemur {

/// Writes, little-endian: magic (8 bytes), version (u32, 1), width (u32), whatever is written, and
/// XXH3-64 of all that (u64). Neither atomic nor synced: FolderWriter is there for that.
class RowFileWriter {
 public:
  /// Requires: magic has 8 characters. Throws DataError when the file cannot be created.
  RowFileWriter(const std::filesystem::path& path, std::string_view magic, int64_t width);

  template <typename T>
  void number(T value) {
    bytes(&value, sizeof(T));
  }

  template <typename T>
  void array(std::span<const T> values) {
    bytes(values.data(), values.size_bytes());
  }

  template <typename T>
  void rows(const ChunkedRows<T>& rows) {
    rows.for_each_piece([&](std::span<const T> piece) { array(piece); });
  }

  /// Appends the checksum and closes. Throws DataError when anything could not be written.
  void finish();

 private:
  void bytes(const void* data, size_t size);

  struct FreeState {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::string name_;
  std::ofstream out_;
  std::unique_ptr<XXH3_state_t, FreeState> checksum_;
};

/// Reads such a file, in the order in which it was written.
class RowFileReader {
 public:
  /// Throws DataError naming the file when it is missing, of another kind, version or width, or
  /// when its checksum is wrong.
  RowFileReader(const std::filesystem::path& path, std::string_view magic, int64_t width);

  template <typename T>
  T number() {
    T value;
    bytes(&value, 1, sizeof(T));
    return value;
  }

  template <typename T>
  std::vector<T> array(uint64_t size) {
    check_room(size, sizeof(T));
    std::vector<T> values(size);
    bytes(values.data(), size, sizeof(T));
    return values;
  }

  /// Fills `rows`, which must be empty, with `count` rows.
  template <typename T>
  void rows(uint64_t count, ChunkedRows<T>& rows) {
    check_room(count, static_cast<uint64_t>(rows.row_bytes()));
    rows.grow(static_cast<int64_t>(count));
    rows.for_each_piece([&](std::span<T> piece) { bytes(piece.data(), piece.size(), sizeof(T)); });
  }

  /// Whether everything was read.
  bool at_end() const { return rest_.empty(); }

  /// Throws DataError unless everything was read.
  void finish();

  /// Throws DataError: the file is damaged, and how.
  [[noreturn]] void damaged(const char* how) const;

 private:
  void check_room(uint64_t count, uint64_t item_bytes) const;
  void bytes(void* target, uint64_t count, uint64_t item_bytes);

  std::string name_;
  MappedFile file_;
  std::string_view rest_;
};

}  // namespace lemur
