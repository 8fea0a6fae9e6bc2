// The weighted sum of a sample's rows by one block, for kernels.
#pragma once

#include "lemur/kernels/cuda_device.h"

namespace lemur::cuda {

/// Writes result [width]: the sum of weights[m] times row[m], m from `begin` to `end`, -1 left out.
/// Where rows are narrower than the block, groups of threads take every so many-th element and
/// their sums are added in the groups' order. Every thread of the block calls it.
template <typename T>
__device__ void sum_rows(const float* weights, const int32_t* row, int64_t begin, int64_t end,
                         int64_t width, const RowView<T>& rows, float* result) {
  __shared__ float parts[kBlockSize];
  int columns = kBlockSize;  // threads of a group
  while (columns / 2 >= width) columns /= 2;
  const int groups = kBlockSize / columns, thread = static_cast<int>(threadIdx.x);
  const int group = thread / columns;
  for (int64_t first = 0; first < width; first += columns) {
    const int64_t column = first + thread % columns;
    float sum = 0;
    if (column < width)
      for (int64_t m = begin + group; m < end; m += groups)
        if (row[m] >= 0) sum += weights[m] * to_float(rows.data[row[m] * rows.stride + column]);
    parts[thread] = sum;
    __syncthreads();
    if (group == 0 && column < width) {
      for (int other = 1; other < groups; ++other) sum += parts[other * columns + thread];
      result[column] = sum;
    }
    __syncthreads();
  }
}

}  // namespace lemur::cuda
