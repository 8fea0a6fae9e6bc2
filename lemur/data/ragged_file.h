// A ragged column on disk, row by row: offsets and items in two files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lemur/base/folder.h"
#include "lemur/data/sample_store.h"

namespace lemur {

/// Writes `<stem>.offsets.u64` and `<stem><suffix>`. Used by ingest only.
class RaggedFile {
 public:
  RaggedFile(const FolderWriter& folder, const std::string& stem, const std::string& suffix)
      : offsets_(folder.file(stem + ".offsets.u64")), items_(folder.file(stem + suffix)) {
    offsets_.append(count_);
  }

  /// Appends one row.
  template <typename T>
  void append(std::span<const T> row) {
    items_.append(row.data(), row.size_bytes());
    offsets_.append(count_ += row.size());
  }
  void append(std::string_view row) { append(std::span<const char>(row)); }

  void close() {
    offsets_.close();
    items_.close();
  }

 private:
  ColumnFile offsets_, items_;
  uint64_t count_ = 0;
};

}  // namespace lemur
