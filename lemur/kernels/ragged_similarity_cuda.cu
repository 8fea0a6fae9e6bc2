#include "lemur/kernels/ragged_similarity_cuda.h"

#include "lemur/kernels/cuda_device.h"

namespace lemur::cuda {
namespace {

/// Returns how many of the block's elements are there, in all threads.
__device__ int64_t count_of_block(const int32_t* row, int64_t begin, int64_t end) {
  float count = 0;  // exact up to 2^24
  for (int64_t m = begin + threadIdx.x; m < end; m += kBlockSize)
    count += row[m] >= 0 ? 1.0F : 0.0F;
  return static_cast<int64_t>(sum_of_warps(warp_sum(count)));
}

/// A block for each sample: every element counts those before it.
__global__ void similarity_kernel(RaggedView listed, int64_t k, const float* cosines,
                                  float* features, int32_t* latest, int32_t* largest) {
  const int64_t sample = blockIdx.x, begin = listed.offsets[sample],
                end = listed.offsets[sample + 1];
  float* result = features + sample * (2 * k + 3);
  for (int64_t i = threadIdx.x; i < 2 * k + 3; i += kBlockSize) result[i] = 0;
  const int64_t count = count_of_block(listed.row, begin, end);  // also waits for the zeros
  float sum = 0;
  for (int64_t m = begin + threadIdx.x; m < end; m += kBlockSize) {
    latest[m] = largest[m] = -1;
    if (listed.row[m] < 0) continue;
    const float value = cosines[m];
    sum += value;
    int64_t later = 0, larger = 0;
    for (int64_t j = begin; j < end; ++j) {
      if (listed.row[j] < 0) continue;
      later += j > m;
      larger += cosines[j] > value || (cosines[j] == value && j < m);
    }
    if (later < k) {
      result[later] = value;
      latest[m] = static_cast<int32_t>(later);
    }
    if (larger < k) {
      result[k + larger] = value;
      largest[m] = static_cast<int32_t>(larger);
    }
    if (larger == 0) result[2 * k + 2] = value;
  }
  sum = sum_of_warps(warp_sum(sum));
  if (threadIdx.x == 0 && count > 0) {
    result[2 * k] = log1pf(static_cast<float>(count)) / 8;
    result[2 * k + 1] = sum / static_cast<float>(count);
  }
}

__global__ void similarity_backward_kernel(RaggedView listed, int64_t k, const float* gradient,
                                           const int32_t* latest, const int32_t* largest,
                                           float* cosines) {
  const int64_t sample = blockIdx.x, begin = listed.offsets[sample],
                end = listed.offsets[sample + 1];
  const float* given = gradient + sample * (2 * k + 3);
  const int64_t count = count_of_block(listed.row, begin, end);
  for (int64_t m = begin + threadIdx.x; m < end; m += kBlockSize) {
    float sum = listed.row[m] < 0 ? 0 : given[2 * k + 1] / static_cast<float>(count);
    if (latest[m] >= 0) sum += given[latest[m]];
    if (largest[m] >= 0) sum += given[k + largest[m]];
    if (largest[m] == 0) sum += given[2 * k + 2];
    cosines[m] = sum;
  }
}

}  // namespace

void ragged_similarity_forward(const RaggedView& listed, int64_t k, const float* cosines,
                               float* features, int32_t* latest, int32_t* largest, void* stream) {
  LEMUR_LAUNCH(similarity_kernel, listed.samples, kBlockSize, stream, listed, k, cosines, features,
               latest, largest);
}

void ragged_similarity_backward(const RaggedView& listed, int64_t k, const float* gradient,
                                const int32_t* latest, const int32_t* largest, float* cosines,
                                void* stream) {
  LEMUR_LAUNCH(similarity_backward_kernel, listed.samples, kBlockSize, stream, listed, k, gradient,
               latest, largest, cosines);
}

}  // namespace lemur::cuda
