// Checks that the kernels over ragged rows have in common.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "lemur/base/error.h"

namespace lemur {

/// Whether the kernels' own loops take `x`: float or double on the CPU.
inline bool fits_loops(const torch::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64);
}

/// Throws InvalidArgument unless `offsets` is int64 [rows + 1], starts at 0, never falls and ends
/// at `total`. Returns it contiguous on the CPU.
inline torch::Tensor checked_offsets(const char* where, const torch::Tensor& offsets,
                                     int64_t total) {
  if (!offsets.defined() || offsets.dim() != 1 || offsets.scalar_type() != torch::kInt64 ||
      offsets.numel() < 1)
    fail<InvalidArgument>(where, "offsets must be int64 with one more entry than rows");
  torch::Tensor checked = offsets.cpu().contiguous();
  const int64_t* data = checked.data_ptr<int64_t>();
  const int64_t rows = checked.numel() - 1;
  if (data[0] != 0 || data[rows] != total)
    fail<InvalidArgument>(where, "offsets go from {} to {}; expected 0 to {}", data[0], data[rows],
                          total);
  for (int64_t i = 0; i < rows; ++i)
    if (data[i + 1] < data[i])
      fail<InvalidArgument>(where, "offsets fall from {} to {} at row {}", data[i], data[i + 1], i);
  return checked;
}

/// As checked_offsets; throws InvalidArgument also where a row is empty.
inline torch::Tensor checked_full_offsets(const char* where, const torch::Tensor& offsets,
                                          int64_t total) {
  torch::Tensor checked = checked_offsets(where, offsets, total);
  const int64_t* data = checked.data_ptr<int64_t>();
  for (int64_t i = 0; i + 1 < checked.numel(); ++i)
    if (data[i] == data[i + 1])
      fail<InvalidArgument>(where, "text {} has no token; each needs at least its first one", i);
  return checked;
}

/// Throws InvalidArgument unless `index` is a vector of `size` integers, each in [lowest, limit).
/// Returns it as contiguous int64.
inline torch::Tensor checked_index(const char* where, const char* name, const torch::Tensor& index,
                                   int64_t size, int64_t lowest, int64_t limit) {
  if (!index.defined() || index.dim() != 1 || index.numel() != size ||
      (index.scalar_type() != torch::kInt64 && index.scalar_type() != torch::kInt32))
    fail<InvalidArgument>(where, "{} must be {} integers", name, size);
  torch::Tensor checked = index.to(torch::kInt64).contiguous();
  if (!checked.is_cpu()) return checked;
  const int64_t* data = checked.data_ptr<int64_t>();
  for (int64_t m = 0; m < size; ++m)
    if (data[m] < lowest || data[m] >= limit)
      fail<InvalidArgument>(where, "{} is {} at element {}; expected {} to {}", name, data[m], m,
                            lowest, limit - 1);
  return checked;
}

}  // namespace lemur
