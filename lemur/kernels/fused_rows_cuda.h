// Bias with GELU, and residual with LayerNorm, each in one pass over its rows, on CUDA.
#pragma once

#include "lemur/kernels/cuda_types.h"

namespace lemur::cuda {

/// Rows of `width` values, one behind the other.
struct RowShape {
  int64_t rows, width;
};

/// Parts into which sums over rows are cut.
inline constexpr int64_t kRowParts = 256;

/// Writes y = GELU(x + bias), exact. `bias` [width].
template <typename T>
void bias_gelu_forward(const RowShape& shape, const T* x, const float* bias, T* y, void* stream);

/// Writes dx and, in parts [kRowParts, width] to be added up, the gradient of the bias.
template <typename T>
void bias_gelu_backward(const RowShape& shape, const T* x, const float* bias, const T* dy, T* dx,
                        float* bias_parts, void* stream);

/// Writes sum = x + residual, y = LN(sum) gain + bias, and each row's mean and 1 / deviation.
template <typename T>
void add_norm_forward(const RowShape& shape, const T* x, const T* residual, const float* gain,
                      const float* bias, T* sum, T* y, float* mean, float* inverse, void* stream);

/// From the gradients of y and of sum writes that of x, which is that of residual too, and in parts
/// [kRowParts, width] those of gain and bias.
template <typename T>
void add_norm_backward(const RowShape& shape, const T* sum, const float* gain, const float* mean,
                       const float* inverse, const T* dy, const T* dsum, T* dx, float* gain_parts,
                       float* bias_parts, void* stream);

}  // namespace lemur::cuda
