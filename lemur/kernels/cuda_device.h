// What the CUDA kernels share: launching, the number formats, sums over a warp and a block.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#else
#include <cmath>

#include "lemur/kernels/cuda_on_host.h"
#endif

#include "lemur/kernels/cuda_types.h"

#ifdef __CUDACC__
/// Starts `kernel` on that many blocks of `threads` threads on a stream; nothing for no blocks.
#define LEMUR_LAUNCH(kernel, blocks, threads, stream, ...)                    \
  do {                                                                        \
    const int64_t launched = (blocks);                                        \
    if (launched > 0) {                                                       \
      kernel<<<static_cast<unsigned int>(launched), threads, 0,               \
               static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__);             \
      if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) \
        ::lemur::cuda::launch_failed(#kernel, cudaGetErrorString(error));     \
    }                                                                         \
  } while (false)
#else
#define LEMUR_LAUNCH(kernel, blocks, threads, stream, ...) \
  static_cast<void>(stream),                               \
      ::lemur::cuda_on_host::launch(blocks, threads, [&] { kernel(__VA_ARGS__); })
#endif

namespace lemur::cuda {

constexpr int kWarpSize = 32;
constexpr int kBlockSize = 128;  // threads of a block, in every kernel
constexpr int kWarps = kBlockSize / kWarpSize;
constexpr unsigned int kAllLanes = 0xffffffff;

inline int64_t blocks_for(int64_t items, int64_t per_block = kBlockSize) {
  return (items + per_block - 1) / per_block;
}

__device__ inline int lane_of_thread() { return static_cast<int>(threadIdx.x) % kWarpSize; }
__device__ inline int warp_of_thread() { return static_cast<int>(threadIdx.x) / kWarpSize; }
__device__ inline int64_t item_of_thread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(Bfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

__device__ inline void store(float* target, float x) { *target = x; }
/// Rounds to the nearest, ties to even.
__device__ inline void store(Bfloat16* target, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  target->bits = static_cast<uint16_t>(is_nan ? bits >> 16 | 0x40 : rounded >> 16);
}

/// Returns the sum over the lanes of the warp, the same bits in each.
__device__ inline float warp_sum(float x) {
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) x += __shfl_xor_sync(kAllLanes, x, lanes);
  return x;
}

/// Returns the sum of each warp's value (lane 0 gives it) in the order of warps, in all threads.
/// Every thread of the block calls it.
__device__ inline float sum_of_warps(float x) {
  __shared__ float parts[kWarps];
  __syncthreads();
  if (lane_of_thread() == 0) parts[warp_of_thread()] = x;
  __syncthreads();
  float sum = 0;
  for (int warp = 0; warp < kWarps; ++warp) sum += parts[warp];
  return sum;
}

/// Returns x . y over `width` values, in all lanes. Every lane of the warp calls it.
template <typename T>
__device__ float warp_dot(const float* x, const T* y, int64_t width) {
  float sum = 0;
  for (int64_t c = lane_of_thread(); c < width; c += kWarpSize) sum += x[c] * to_float(y[c]);
  return warp_sum(sum);
}

}  // namespace lemur::cuda
