// Rows of a shared table that samples list by index, read in place.
#pragma once

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "lemur/simd/indexed_rows.h"
#include "lemur/simd/padding.h"
#include "lemur/simd/scratch.h"

namespace lemur {

/// The rows of a tensor [n, width] whose rows are contiguous.
template <typename T>
RowTable<T> row_table(const torch::Tensor& x) {
  return {x.data_ptr<T>(), x.size(1), x.stride(0)};
}

/// The elements of a sample that list a row, and the rows.
struct Listed {
  std::vector<int64_t> elements, rows;
};

/// Calls body(sample, what it lists, room for as many values, padded) for every sample, on all
/// threads: each must write an output of its own. `offsets` int64 [B + 1], `index` int64 [M],
/// contiguous.
template <typename T, typename Body>
void for_each_sample(const torch::Tensor& offsets, const torch::Tensor& index, const Body& body) {
  const auto *begin = offsets.data_ptr<int64_t>(), *row = index.data_ptr<int64_t>();
  at::parallel_for(0, offsets.numel() - 1, 4, [&](int64_t from, int64_t to) {
    Listed listed;
    for (int64_t b = from; b < to; ++b) {
      listed.elements.clear();
      listed.rows.clear();
      for (int64_t m = begin[b]; m < begin[b + 1]; ++m)
        if (row[m] >= 0) listed.elements.push_back(m), listed.rows.push_back(row[m]);
      body(b, listed, thread_buffer<T, Listed>(simd::padded<T>(std::ssize(listed.rows))));
    }
  });
}

/// Which elements list each row of a table, for the gradient of the rows.
class RowUsers {
 public:
  /// `offsets` int64 [B + 1], `index` int64 [M]: the rows that the samples' elements list, below
  /// `rows`; -1: none. Both contiguous.
  RowUsers(const torch::Tensor& offsets, const torch::Tensor& index, int64_t rows);

  /// Returns [rows, w]: of each row the sum of weights[m] vectors[sample of m] over the elements m
  /// that list it, in their order. `weights` [M], contiguous, `vectors` [B, w].
  torch::Tensor sum(const torch::Tensor& weights, const torch::Tensor& vectors) const;

 private:
  std::vector<int64_t> begin_;               // [rows + 1] into the others
  std::vector<int64_t> elements_, samples_;  // of every row, ascending
};

/// Returns x, or a copy of it whose rows are contiguous.
inline torch::Tensor with_contiguous_rows(const torch::Tensor& x) {
  return x.size(1) <= 1 || x.stride(1) == 1 ? x : x.contiguous();
}

/// Returns the dots of each sample's vector with the rows that it lists: `vectors` [B, w], `rows`
/// [U, w]; `offsets` int64 [B + 1]; `index` int64 or int32 [M]: row of each element, -1: none.
/// Returns [M], 0 where there is none. Differentiable once in vectors and rows. On the CPU the
/// result does not depend on the number of threads; CUDA takes ragged_dots_on_device, what is left
/// ragged_dots_reference.
/// Throws InvalidArgument where shapes do not fit or an index is out of range.
torch::Tensor ragged_dots(const torch::Tensor& vectors, const torch::Tensor& rows,
                          const torch::Tensor& offsets, const torch::Tensor& index);

/// Gives the same as ragged_dots by LibTorch's operations.
torch::Tensor ragged_dots_reference(const torch::Tensor& vectors, const torch::Tensor& rows,
                                    const torch::Tensor& offsets, const torch::Tensor& index);

}  // namespace lemur
