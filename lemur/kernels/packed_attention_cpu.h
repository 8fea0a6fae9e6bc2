// The loops of packed_attention on the CPU; arguments are checked and contiguous.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace lemur {

/// Writes `output` [total, d] from `qkv` [total, 3 * d], float or double.
void packed_attention_forward_cpu(const torch::Tensor& qkv, const torch::Tensor& offsets,
                                  int64_t heads, torch::Tensor& output);

/// Writes `grad_qkv` [total, 3 * d] from `qkv` and `grad_output` [total, d].
void packed_attention_backward_cpu(const torch::Tensor& qkv, const torch::Tensor& offsets,
                                   int64_t heads, const torch::Tensor& grad_output,
                                   torch::Tensor& grad_qkv);

/// One text of `length` rows [q | k | v], each part of width `d`, whose first `queries` rows attend
/// to all.
struct AttentionShape {
  int64_t queries, length, d, heads;
};

/// Writes `output` [queries, d] from `qkv` [length, 3 * d] of one text, on the calling thread.
/// float or double.
template <typename T>
void attend(const T* qkv, const AttentionShape& shape, T* output);

/// Writes `grad_qkv` [length, 3 * d]; of its first parts only the rows of `queries`.
template <typename T>
void attend_backward(const T* qkv, const AttentionShape& shape, const T* grad_output, T* grad_qkv);

}  // namespace lemur
