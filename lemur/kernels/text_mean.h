// The weighted mean of a packed text's rows, added to its first row.
#pragma once

#include <torch/types.h>

namespace lemur {

/// Returns x [total, w] with, in each text's first row, that row plus the mean of all of the text's
/// rows weighted by softmax of their `logits` [total] (model.md 2).
///
/// `offsets` int64 [I + 1] on the CPU, every text has at least one row. float or double of both.
/// Differentiable once in x and logits; on the CPU the result does not depend on the number of
/// threads. Throws InvalidArgument where shapes do not fit.
torch::Tensor add_text_means(const torch::Tensor& x, const torch::Tensor& logits,
                             const torch::Tensor& offsets);

/// Gives the same by LibTorch's operations, on any device.
torch::Tensor add_text_means_reference(const torch::Tensor& x, const torch::Tensor& logits,
                                       const torch::Tensor& offsets);

}  // namespace lemur
