// The two functions of LibTorch 2.1 and later that flash_attention.cpp calls, so that
// scripts/check_cuda.sh can read that file beside an older LibTorch.
#pragma once

#include <torch/types.h>

#include <tuple>

namespace at {

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> _flash_attention_forward(
    const Tensor& query, const Tensor& key, const Tensor& value,
    const c10::optional<Tensor>& cum_seq_q, const c10::optional<Tensor>& cum_seq_k, int64_t max_q,
    int64_t max_k, double dropout_p, bool is_causal, bool return_debug_mask,
    c10::optional<double> scale = c10::nullopt,
    c10::optional<int64_t> window_size_left = c10::nullopt,
    c10::optional<int64_t> window_size_right = c10::nullopt,
    const c10::optional<Tensor>& seqused_k = {}, const c10::optional<Tensor>& alibi_slopes = {});

std::tuple<Tensor, Tensor, Tensor> _flash_attention_backward(
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& out, const Tensor& logsumexp, const Tensor& cum_seq_q, const Tensor& cum_seq_k,
    int64_t max_q, int64_t max_k, double dropout_p, bool is_causal, const Tensor& rng_state,
    const Tensor& unused, c10::optional<double> scale = c10::nullopt,
    c10::optional<int64_t> window_size_left = c10::nullopt,
    c10::optional<int64_t> window_size_right = c10::nullopt);

}  // namespace at
