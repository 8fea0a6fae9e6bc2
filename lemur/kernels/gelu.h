// GELU as one differentiable operation.
#pragma once

#include <torch/types.h>

namespace lemur {

/// Returns x Phi(x), Phi the normal distribution function, of any shape; differentiable once.
/// Float or double on the CPU takes gelu_values on all threads, where a value depends on nothing
/// but its own input; other tensors LibTorch's operation.
torch::Tensor pointwise_gelu(const torch::Tensor& x);

}  // namespace lemur
