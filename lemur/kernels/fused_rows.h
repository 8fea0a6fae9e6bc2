// What stands between the matrix products of a transformer's block, fused on CUDA.
#pragma once

#include <torch/types.h>

#include <utility>

namespace lemur {

/// Returns GELU(x + bias): `x` [m, d] float or bfloat16, `bias` float [d]. Differentiable once. On
/// CUDA one kernel each way; elsewhere LibTorch's operations. Throws InvalidArgument where shapes
/// do not fit.
torch::Tensor bias_gelu(const torch::Tensor& x, const torch::Tensor& bias);

/// Returns x + residual and its LayerNorm (epsilon 1e-5), likewise: `x`, `residual` [m, d] float or
/// bfloat16, both float where one is; `gain`, `bias` float [d].
std::pair<torch::Tensor, torch::Tensor> add_normalize(const torch::Tensor& x,
                                                      const torch::Tensor& residual,
                                                      const torch::Tensor& gain,
                                                      const torch::Tensor& bias);

/// The same by the launchers, wherever the tensors lie.
torch::Tensor bias_gelu_on_device(const torch::Tensor& x, const torch::Tensor& bias);
std::pair<torch::Tensor, torch::Tensor> add_normalize_on_device(const torch::Tensor& x,
                                                                const torch::Tensor& residual,
                                                                const torch::Tensor& gain,
                                                                const torch::Tensor& bias);

}  // namespace lemur
