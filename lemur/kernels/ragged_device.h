// The operations over ragged rows by the launchers of CUDA, for tensors on a device.
#pragma once

#include <torch/types.h>

#include "lemur/kernels/ragged_attention.h"

namespace lemur {

/// Give the same as ragged_dots, ragged_attention and ragged_similarity (lemur/nn) without a look
/// at the values of offsets and indices, for which the host would have to wait. All tensors lie on
/// one device; numbers are taken in float32, indices in 32 bits. Differentiable once; the gradients
/// of rows are sums in one order, without atomic additions. Throw InvalidArgument where shapes do
/// not fit.
torch::Tensor ragged_dots_on_device(const torch::Tensor& vectors, const torch::Tensor& rows,
                                    const torch::Tensor& offsets, const torch::Tensor& index);
RaggedAttended ragged_attention_on_device(const torch::Tensor& query, const torch::Tensor& keys,
                                          const torch::Tensor& values,
                                          const torch::Tensor& scores_gap,
                                          const torch::Tensor& scores_action,
                                          const RaggedElements& elements);
torch::Tensor ragged_similarity_on_device(const torch::Tensor& cosines,
                                          const torch::Tensor& offsets,
                                          const torch::Tensor& document, int64_t k);

}  // namespace lemur
