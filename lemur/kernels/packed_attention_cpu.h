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

}  // namespace lemur
