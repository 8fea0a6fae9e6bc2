// The weighted mean of a packed text's rows.
#pragma once

#include <torch/types.h>

namespace lemur {

/// Returns [I, w]: of each text the mean of its rows of x [total, w], weighted by the softmax of
/// their `logits` [total] (model.md 2).
///
/// `offsets` int64 [I + 1] on the CPU, every text has at least one row. float or double of both.
/// Differentiable once in x and logits; on the CPU the result does not depend on the number of
/// threads. Throws InvalidArgument where shapes do not fit.
torch::Tensor text_means(const torch::Tensor& x, const torch::Tensor& logits,
                         const torch::Tensor& offsets);

/// Gives the same by LibTorch's operations, on any device.
torch::Tensor text_means_reference(const torch::Tensor& x, const torch::Tensor& logits,
                                   const torch::Tensor& offsets);

}  // namespace lemur
