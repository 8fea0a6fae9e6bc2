// Softmax attention inside each text of a packed batch, without padding and without stored
// probabilities.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace lemur {

/// Attends bidirectionally inside each text, scores scaled by 1 / sqrt(d / heads).
///
/// `qkv` float or double [total, 3 * d]: queries, keys and values side by side, each cut into
/// `heads` slices of equal width. `offsets` int64 [I + 1]: text i is rows offsets[i] to
/// offsets[i + 1], which may be none. Returns [total, d]. Differentiable once in `qkv`; backward
/// recomputes the probabilities. On the CPU the result does not depend on the number of threads;
/// On
/// CUDA bfloat16 takes flash_attention; what is left takes packed_attention_reference. Throws
/// InvalidArgument where shapes, types or offsets do not fit.
torch::Tensor packed_attention(const torch::Tensor& qkv, const torch::Tensor& offsets,
                               int64_t heads);

/// Gives the same as packed_attention, text by text from LibTorch's operations.
torch::Tensor packed_attention_reference(const torch::Tensor& qkv, const torch::Tensor& offsets,
                                         int64_t heads);

}  // namespace lemur
