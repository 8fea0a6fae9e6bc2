#include "lemur/kernels/fused_rows_cuda.h"

#include "lemur/kernels/cuda_device.h"

namespace lemur::cuda {
namespace {

constexpr float kEpsilon = 1e-5F;  // kLayerNormEpsilon

__device__ float normal_distribution(float x) { return 0.5F * (1 + erff(x * 0.70710678118F)); }
__device__ float normal_density(float x) { return 0.39894228040F * expf(-0.5F * x * x); }

template <typename T>
__global__ void bias_gelu_kernel(RowShape shape, const T* x, const float* bias, T* y) {
  const int64_t i = item_of_thread();
  if (i >= shape.rows * shape.width) return;
  const float value = to_float(x[i]) + bias[i % shape.width];
  store(y + i, value * normal_distribution(value));
}

/// The rows that the block sums up.
struct Part {
  int64_t begin, end;
};

__device__ Part part_of_block(const RowShape& shape) {
  const int64_t size = (shape.rows + kRowParts - 1) / kRowParts;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * size;
  return {begin, begin + size < shape.rows ? begin + size : shape.rows};
}

/// A block for each part, a thread for each column.
template <typename T>
__global__ void bias_gelu_backward_kernel(RowShape shape, const T* x, const float* bias,
                                          const T* dy, T* dx, float* bias_parts) {
  const Part part = part_of_block(shape);
  for (int64_t column = threadIdx.x; column < shape.width; column += kBlockSize) {
    float sum = 0;
    for (int64_t row = part.begin; row < part.end; ++row) {
      const int64_t i = row * shape.width + column;
      const float value = to_float(x[i]) + bias[column];
      const float gradient =
          to_float(dy[i]) * (normal_distribution(value) + value * normal_density(value));
      store(dx + i, gradient);
      sum += gradient;
    }
    bias_parts[blockIdx.x * shape.width + column] = sum;
  }
}

/// A warp for each row.
template <typename T>
__global__ void add_norm_kernel(RowShape shape, const T* x, const T* residual, const float* gain,
                                const float* bias, T* sum, T* y, float* mean, float* inverse) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + warp_of_thread();
  if (row >= shape.rows) return;
  const int64_t begin = row * shape.width, lane = lane_of_thread();
  const auto count = static_cast<float>(shape.width);
  float total = 0;
  for (int64_t c = lane; c < shape.width; c += kWarpSize) {
    store(sum + begin + c, to_float(x[begin + c]) + to_float(residual[begin + c]));
    total += to_float(sum[begin + c]);
  }
  const float center = warp_sum(total) / count;
  float squares = 0;
  for (int64_t c = lane; c < shape.width; c += kWarpSize) {
    const float off = to_float(sum[begin + c]) - center;
    squares += off * off;
  }
  const float scale = 1 / sqrtf(warp_sum(squares) / count + kEpsilon);
  for (int64_t c = lane; c < shape.width; c += kWarpSize)
    store(y + begin + c, (to_float(sum[begin + c]) - center) * scale * gain[c] + bias[c]);
  if (lane != 0) return;
  mean[row] = center;
  inverse[row] = scale;
}

/// A warp for each row.
template <typename T>
__global__ void add_norm_backward_kernel(RowShape shape, const T* sum, const float* gain,
                                         const float* mean, const float* inverse, const T* dy,
                                         const T* dsum, T* dx) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + warp_of_thread();
  if (row >= shape.rows) return;
  const int64_t begin = row * shape.width, lane = lane_of_thread();
  const auto count = static_cast<float>(shape.width);
  const float center = mean[row], scale = inverse[row];
  float of_mean = 0, of_scale = 0;
  for (int64_t c = lane; c < shape.width; c += kWarpSize) {
    const float g = to_float(dy[begin + c]) * gain[c];
    of_mean += g;
    of_scale += g * (to_float(sum[begin + c]) - center) * scale;
  }
  of_mean = warp_sum(of_mean) / count;
  of_scale = warp_sum(of_scale) / count;
  for (int64_t c = lane; c < shape.width; c += kWarpSize) {
    const float normal = (to_float(sum[begin + c]) - center) * scale;
    const float g = to_float(dy[begin + c]) * gain[c];
    store(dx + begin + c, to_float(dsum[begin + c]) + scale * (g - of_mean - normal * of_scale));
  }
}

/// A block for each part, a thread for each column.
template <typename T>
__global__ void gain_bias_kernel(RowShape shape, const T* sum, const float* mean,
                                 const float* inverse, const T* dy, float* gain_parts,
                                 float* bias_parts) {
  const Part part = part_of_block(shape);
  for (int64_t column = threadIdx.x; column < shape.width; column += kBlockSize) {
    float of_gain = 0, of_bias = 0;
    for (int64_t row = part.begin; row < part.end; ++row) {
      const int64_t i = row * shape.width + column;
      const float gradient = to_float(dy[i]);
      of_gain += gradient * (to_float(sum[i]) - mean[row]) * inverse[row];
      of_bias += gradient;
    }
    gain_parts[blockIdx.x * shape.width + column] = of_gain;
    bias_parts[blockIdx.x * shape.width + column] = of_bias;
  }
}

}  // namespace

template <typename T>
void bias_gelu_forward(const RowShape& shape, const T* x, const float* bias, T* y, void* stream) {
  LEMUR_LAUNCH(bias_gelu_kernel<T>, blocks_for(shape.rows * shape.width), kBlockSize, stream, shape,
               x, bias, y);
}

template <typename T>
void bias_gelu_backward(const RowShape& shape, const T* x, const float* bias, const T* dy, T* dx,
                        float* bias_parts, void* stream) {
  LEMUR_LAUNCH(bias_gelu_backward_kernel<T>, kRowParts, kBlockSize, stream, shape, x, bias, dy, dx,
               bias_parts);
}

template <typename T>
void add_norm_forward(const RowShape& shape, const T* x, const T* residual, const float* gain,
                      const float* bias, T* sum, T* y, float* mean, float* inverse, void* stream) {
  LEMUR_LAUNCH(add_norm_kernel<T>, blocks_for(shape.rows, kWarps), kBlockSize, stream, shape, x,
               residual, gain, bias, sum, y, mean, inverse);
}

template <typename T>
void add_norm_backward(const RowShape& shape, const T* sum, const float* gain, const float* mean,
                       const float* inverse, const T* dy, const T* dsum, T* dx, float* gain_parts,
                       float* bias_parts, void* stream) {
  LEMUR_LAUNCH(add_norm_backward_kernel<T>, blocks_for(shape.rows, kWarps), kBlockSize, stream,
               shape, sum, gain, mean, inverse, dy, dsum, dx);
  LEMUR_LAUNCH(gain_bias_kernel<T>, kRowParts, kBlockSize, stream, shape, sum, mean, inverse, dy,
               gain_parts, bias_parts);
}

#define LEMUR_INSTANTIATE(T)                                                                      \
  template void bias_gelu_forward(const RowShape&, const T*, const float*, T*, void*);            \
  template void bias_gelu_backward(const RowShape&, const T*, const float*, const T*, T*, float*, \
                                   void*);                                                        \
  template void add_norm_forward(const RowShape&, const T*, const T*, const float*, const float*, \
                                 T*, T*, float*, float*, void*);                                  \
  template void add_norm_backward(const RowShape&, const T*, const float*, const float*,          \
                                  const float*, const T*, const T*, T*, float*, float*, void*);
LEMUR_INSTANTIATE(float)
LEMUR_INSTANTIATE(Bfloat16)
#undef LEMUR_INSTANTIATE

}  // namespace lemur::cuda
