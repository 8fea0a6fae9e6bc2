#include "lemur/kernels/shared_attention.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/ragged_rows.h"
#include "lemur/kernels/row_check.h"
#include "lemur/simd/matrix_product.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr int64_t kSamples = 64;  // whose scores are held at a time

/// Up to kSamples samples of one group.
struct Block {
  int64_t sample, samples, row, rows;
  int64_t dots;  ///< dots of the samples before
};

std::vector<Block> blocks_of(const SharedRows& groups) {
  std::vector<Block> blocks;
  const auto *sample = groups.samples.data_ptr<int64_t>(), *row = groups.rows.data_ptr<int64_t>();
  int64_t dots = 0;
  for (int64_t h = 0; h + 1 < groups.samples.numel(); ++h)
    for (int64_t s = sample[h]; s < sample[h + 1]; s += kSamples) {
      const Block block{s, std::min(kSamples, sample[h + 1] - s), row[h], row[h + 1] - row[h],
                        dots};
      dots += block.samples * block.rows;
      blocks.push_back(block);
    }
  return blocks;
}

/// Calls body(block) for each, on all threads.
template <typename Body>
void for_each_block(const std::vector<Block>& blocks, const Body& body) {
  at::parallel_for(0, std::ssize(blocks), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(blocks[static_cast<size_t>(i)]);
  });
}

/// Rows of `table` from `first`, turned: a matrix [width, rows].
template <typename T>
MatrixView<T> turned(const RowTable<T>& table, int64_t first) {
  return {table.data + first * table.stride, 1, table.stride};
}

template <typename T>
MatrixView<T> rows_from(const RowTable<T>& table, int64_t first) {
  return {table.data + first * table.stride, table.stride};
}

SharedRows check(const Tensor& vectors, const Tensor& rows, const SharedRows& groups) {
  if (vectors.dim() != 2 || rows.dim() != 2 || vectors.size(1) != rows.size(1) ||
      vectors.scalar_type() != rows.scalar_type() || !fits_loops(vectors) || !fits_loops(rows))
    fail<InvalidArgument>("shared_attention", "vectors are [{}] of {}, rows [{}] of {}",
                          fmt::join(vectors.sizes(), ", "), toString(vectors.scalar_type()),
                          fmt::join(rows.sizes(), ", "), toString(rows.scalar_type()));
  SharedRows checked{checked_offsets("shared_attention", groups.samples, vectors.size(0)),
                     checked_offsets("shared_attention", groups.rows, rows.size(0))};
  if (checked.samples.numel() != checked.rows.numel())
    fail<InvalidArgument>("shared_attention", "{} groups of samples, {} of rows",
                          checked.samples.numel() - 1, checked.rows.numel() - 1);
  return checked;
}

}  // namespace

Tensor shared_attention(const Tensor& query, const Tensor& keys, const Tensor& values,
                        const SharedRows& groups) {
  const SharedRows checked = check(query, keys, groups);
  if (values.sizes() != keys.sizes() || values.scalar_type() != keys.scalar_type())
    fail<InvalidArgument>("shared_attention", "keys are [{}], values [{}]",
                          fmt::join(keys.sizes(), ", "), fmt::join(values.sizes(), ", "));
  const Tensor q = with_contiguous_rows(query), k = with_contiguous_rows(keys),
               v = with_contiguous_rows(values);
  const int64_t width = query.size(1);
  Tensor result = torch::zeros({query.size(0), width}, query.options());
  AT_DISPATCH_FLOATING_TYPES(query.scalar_type(), "shared_attention", [&] {
    const auto key = row_table<scalar_t>(k), value = row_table<scalar_t>(v),
               asking = row_table<scalar_t>(q);
    for_each_block(blocks_of(checked), [&](const Block& block) {
      if (block.rows == 0) return;
      const int64_t columns = simd::padded<scalar_t>(block.rows);
      auto* scores = thread_buffer<scalar_t, Block>(kSamples * columns);
      multiply<scalar_t>(block.samples, block.rows, width, rows_from(asking, block.sample),
                         turned(key, block.row), scores, columns, false);
      softmax_rows({block.samples, block.rows}, columns, scores);
      multiply<scalar_t>(block.samples, width, block.rows, {scores, columns},
                         rows_from(value, block.row),
                         result.data_ptr<scalar_t>() + block.sample * width, width, false);
    });
  });
  return result;
}

Tensor shared_dots(const Tensor& vectors, const Tensor& rows, const SharedRows& groups) {
  const SharedRows checked = check(vectors, rows, groups);
  const Tensor v = with_contiguous_rows(vectors), r = with_contiguous_rows(rows);
  const std::vector<Block> blocks = blocks_of(checked);
  const int64_t dots =
      blocks.empty() ? 0 : blocks.back().dots + blocks.back().samples * blocks.back().rows;
  Tensor result = torch::empty({dots}, vectors.options());
  AT_DISPATCH_FLOATING_TYPES(vectors.scalar_type(), "shared_attention", [&] {
    const auto table = row_table<scalar_t>(r), vector = row_table<scalar_t>(v);
    for_each_block(blocks, [&](const Block& block) {
      if (block.rows == 0) return;
      multiply<scalar_t>(block.samples, block.rows, vectors.size(1),
                         rows_from(vector, block.sample), turned(table, block.row),
                         result.data_ptr<scalar_t>() + block.dots, block.rows, false);
    });
  });
  return result;
}

}  // namespace lemur
