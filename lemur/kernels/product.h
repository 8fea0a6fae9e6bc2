// Products of tensors and LayerNorm with the same bits for any number of threads.
#pragma once

#include <torch/types.h>

#include "lemur/simd/row_functions.h"

namespace lemur {

/// Returns A B + bias. `a` [m, k] and `b` [k, n], or [T, m, k] and [T, k, n], of one floating type
/// and any strides; `bias` [n] or [T, n], undefined: none. Differentiable once in all three. On the
/// CPU, float or double, it runs on all threads in pieces that do not depend on their number; other
/// tensors take product_reference, on CUDA of types that autocast brings together. Throws
/// InvalidArgument where shapes or types do not fit.
torch::Tensor product(const torch::Tensor& a, const torch::Tensor& b,
                      const torch::Tensor& bias = {});

/// Gives the same as product by LibTorch's operations.
torch::Tensor product_reference(const torch::Tensor& a, const torch::Tensor& b,
                                const torch::Tensor& bias = {});

/// Normalises the last dimension d of x to mean 0 and variance 1 (plus `epsilon`), times `gain`
/// plus `bias`, both [d]. Differentiable once. CPU and other tensors, errors: as product.
torch::Tensor normalize(const torch::Tensor& x, const torch::Tensor& gain,
                        const torch::Tensor& bias, double epsilon = kLayerNormEpsilon);

}  // namespace lemur
