// A growable array of rows whose growth copies nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "lemur/base/huge_pages.h"

namespace lemur {

/// Rows of `width` numbers in chunks of 1024 rows; behind the first 2 MB, in slabs of chunks on
/// huge pages. Pointers to rows stay valid while the array
/// lives. Not thread-safe, except that const members may run concurrently.
template <typename T>
class ChunkedRows {
 public:
  static constexpr uint64_t kChunkRows = 1024;

  /// Requires: width > 0.
  explicit ChunkedRows(int64_t width = 1) : width_(static_cast<uint64_t>(width)) {}

  int64_t size() const { return static_cast<int64_t>(size_); }

  /// Bytes of one row.
  int64_t row_bytes() const { return static_cast<int64_t>(width_ * sizeof(T)); }

  /// Memory held.
  int64_t size_bytes() const {
    return static_cast<int64_t>(slab_bytes_ + chunks_.capacity() * sizeof(chunks_[0]));
  }

  /// Lengthens the array to `size` rows; the new ones hold anything. Requires: size >= size().
  void grow(int64_t size) {
    size_ = static_cast<uint64_t>(size);
    while (chunks_.size() * kChunkRows < size_) add_slab();
  }

  /// Drops the rows from `size` on; the memory stays. Requires: 0 <= size <= size().
  void shrink(int64_t size) { size_ = static_cast<uint64_t>(size); }

  /// Requires: 0 <= row < size().
  T* row(int64_t row) { return const_cast<T*>(std::as_const(*this).row(row)); }
  const T* row(int64_t row) const {
    auto index = static_cast<uint64_t>(row);
    return chunks_[index / kChunkRows] + index % kChunkRows * width_;
  }

  /// The first number of a row: the row itself where width is 1.
  T& operator[](int64_t index) { return *row(index); }
  const T& operator[](int64_t index) const { return *row(index); }

  /// Calls `visit(std::span<const T>)` with the rows' numbers, piece by piece, in order.
  template <typename Visit>
  void for_each_piece(Visit&& visit) const {
    for (uint64_t start = 0; start < size_; start += kChunkRows)
      visit(std::span<const T>(chunks_[start / kChunkRows],
                               std::min(kChunkRows, size_ - start) * width_));
  }

  /// As above, with pieces that can be written.
  template <typename Visit>
  void for_each_piece(Visit&& visit) {
    std::as_const(*this).for_each_piece([&](std::span<const T> piece) {
      visit(std::span<T>(const_cast<T*>(piece.data()), piece.size()));
    });
  }

 private:
  /// Small arrays grow by a chunk; large ones by as many as fill a huge page.
  void add_slab() {
    const uint64_t chunk = kChunkRows * width_, bytes = chunk * sizeof(T);
    const uint64_t chunks =
        chunks_.size() * bytes < kHugePage ? 1 : (kHugePage + bytes - 1) / bytes;
    slabs_.emplace_back(static_cast<T*>(allocate_pages(chunks * bytes)));
    slab_bytes_ += chunks * bytes;
    for (uint64_t i = 0; i < chunks; ++i) chunks_.push_back(slabs_.back().get() + i * chunk);
  }

  uint64_t width_, size_ = 0, slab_bytes_ = 0;
  std::vector<PagedArray<T>> slabs_;
  std::vector<T*> chunks_;
};

}  // namespace lemur
