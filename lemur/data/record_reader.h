// Reads a range of a file of plain records one after the other, with bounded memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <type_traits>
#include <vector>

#include "lemur/base/error.h"

namespace lemur {

/// Records [begin, end) of a file. Used by ingest only.
template <typename T>
class RecordReader {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  /// Throws DataError when the file cannot be read, now or later.
  RecordReader(const std::filesystem::path& path, uint64_t begin, uint64_t end)
      : path_(path), file_(path, std::ios::binary), left_(end - begin) {
    file_.seekg(static_cast<std::streamoff>(begin * sizeof(T)));
    fill();
  }

  bool has_record() const { return next_ < buffer_.size(); }
  /// Requires: has_record().
  const T& record() const { return buffer_[next_]; }
  void advance() {
    if (++next_ == buffer_.size()) fill();
  }

 private:
  static constexpr uint64_t kBlock = 4096;

  void fill() {
    buffer_.resize(std::min(left_, kBlock));
    next_ = 0;
    if (buffer_.empty()) return;
    left_ -= buffer_.size();
    if (!file_.read(reinterpret_cast<char*>(buffer_.data()),
                    static_cast<std::streamsize>(buffer_.size() * sizeof(T))))
      fail<DataError>("ingest", "cannot read {}", path_.string());
  }

  std::filesystem::path path_;
  std::ifstream file_;
  uint64_t left_;
  std::vector<T> buffer_;
  size_t next_ = 0;
};

}  // namespace lemur
