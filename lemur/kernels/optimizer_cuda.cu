#include "lemur/kernels/optimizer_cuda.h"

#include "lemur/kernels/cuda_device.h"

namespace lemur::cuda {
namespace {

constexpr int64_t kBlockValues = 8 * kBlockSize;  // values that a block updates

/// Returns the segment that holds value i.
__device__ int64_t segment_of(const AdamWSegment* segments, int64_t num_segments, int64_t i) {
  int64_t low = 0, high = num_segments;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (segments[middle].begin <= i ? low : high) = middle;
  }
  return low;
}

__global__ void adamw_kernel(const AdamWSegment* segments, int64_t num_segments, int64_t n,
                             const float* gradient, float* first, float* second, float* value) {
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kBlockValues;
  const int64_t end = begin + kBlockValues < n ? begin + kBlockValues : n;
  int64_t segment = segment_of(segments, num_segments, begin);
  for (int64_t i = begin + threadIdx.x; i < end; i += kBlockSize) {
    while (segment + 1 < num_segments && segments[segment + 1].begin <= i) ++segment;
    if (segments[segment].skipped) continue;
    const AdamWFactors f = segments[segment].factors;
    const float g = gradient[i];
    const float m = first[i] + (1 - f.beta1) * (g - first[i]);
    const float v = second[i] + (1 - f.beta2) * (g * g - second[i]);
    first[i] = m;
    second[i] = v;
    value[i] = f.keep * value[i] - f.step_size * m / (sqrtf(v) * f.root + f.epsilon);
  }
}

/// A block for each part; a part is every kSquareParts-th run of a block's threads.
__global__ void squares_kernel(int64_t n, const float* values, double* parts) {
  __shared__ double sums[kBlockSize];
  double sum = 0;
  for (int64_t i = item_of_thread(); i < n; i += kSquareParts * kBlockSize)
    sum += static_cast<double>(values[i]) * values[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int thread = 1; thread < kBlockSize; ++thread) sum += sums[thread];
  parts[blockIdx.x] = sum;
}

/// A warp for each row.
__global__ void row_adagrad_kernel(RowAdagradFactors factors, const int32_t* rows, int64_t n,
                                   int64_t width, const float* gradient, float* values,
                                   float* accumulators) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kWarps + warp_of_thread();
  if (i >= n) return;
  const int64_t row = rows[i];
  const float* g = gradient + i * width;
  const float accumulator = accumulators[row] + warp_dot(g, g, width) / static_cast<float>(width);
  __syncwarp();  // all lanes have read it
  if (lane_of_thread() == 0) accumulators[row] = accumulator;
  const float rate = factors.learning_rate / (sqrtf(accumulator) + factors.epsilon);
  for (int64_t c = lane_of_thread(); c < width; c += kWarpSize) {
    float& value = values[row * width + c];
    value = factors.keep * value - rate * g[c];
  }
}

}  // namespace

void adamw_update(const AdamWSegment* segments, int64_t num_segments, int64_t n,
                  const float* gradient, float* first, float* second, float* value, void* stream) {
  LEMUR_LAUNCH(adamw_kernel, blocks_for(n, kBlockValues), kBlockSize, stream, segments,
               num_segments, n, gradient, first, second, value);
}

void sum_of_squares(int64_t n, const float* values, double* parts, void* stream) {
  LEMUR_LAUNCH(squares_kernel, kSquareParts, kBlockSize, stream, n, values, parts);
}

void row_adagrad(const RowAdagradFactors& factors, const int32_t* rows, int64_t n, int64_t width,
                 const float* gradient, float* values, float* accumulators, void* stream) {
  LEMUR_LAUNCH(row_adagrad_kernel, blocks_for(n, kWarps), kBlockSize, stream, factors, rows, n,
               width, gradient, values, accumulators);
}

}  // namespace lemur::cuda
