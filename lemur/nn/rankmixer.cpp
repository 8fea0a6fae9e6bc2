#include "lemur/nn/rankmixer.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/kernels/gelu.h"
#include "lemur/kernels/rankmixer_block.h"

namespace lemur {

torch::Tensor mix_tokens(const torch::Tensor& x) {
  const int64_t tokens = x.size(0), samples = x.size(1), width = x.size(2);
  return x.reshape({tokens, samples, tokens, width / tokens})
      .permute({2, 1, 0, 3})
      .reshape({tokens, samples, width});
}

void check_sizes(const char* where, const RankMixerOptions& options) {
  if (options.input < 1 || options.tokens < 1 || options.width < 1 || options.layers < 1 ||
      options.ffn_factor < 1)
    fail<InvalidArgument>(
        where, "input {}, tokens {}, width {}, layers {}, ffn_factor {}: each must be positive",
        options.input, options.tokens, options.width, options.layers, options.ffn_factor);
  if (options.width % options.tokens != 0)
    fail<InvalidArgument>(where, "{} tokens do not divide the width {}", options.tokens,
                          options.width);
}

int64_t slice_width(const RankMixerOptions& options) {
  return (options.input + options.tokens - 1) / options.tokens;
}

torch::Tensor feature_slices(const char* where, const RankMixerOptions& options,
                             const torch::Tensor& features) {
  if (features.dim() != 2 || features.size(1) != options.input)
    fail<InvalidArgument>(where, "features have shape {}; expected [B, {}]",
                          fmt::join(features.sizes(), " x "), options.input);
  const int64_t slice = slice_width(options);
  const torch::Tensor padded =
      torch::constant_pad_nd(features, {0, options.tokens * slice - options.input});
  return padded.view({-1, options.tokens, slice}).transpose(0, 1);
}

TokenLinearImpl::TokenLinearImpl(int64_t tokens, int64_t input, int64_t output) {
  weight = register_parameter("weight", torch::empty({tokens, output, input}));
  bias = register_parameter("bias", torch::zeros({tokens, output}));
  for (int64_t t = 0; t < tokens; ++t) draw_xavier(weight[t]);
}

torch::Tensor TokenLinearImpl::forward(const torch::Tensor& x) {
  return int8 ? int8->product(x, bias) : product(x, weight.transpose(1, 2), bias);
}

RankMixerBlockImpl::RankMixerBlockImpl(const RankMixerOptions& options)
    : dropout_(options.dropout) {
  const int64_t width = options.width, hidden = options.ffn_factor * width;
  ffn_input_ = register_module("ffn_input", TokenLinear(options.tokens, width, hidden));
  ffn_output_ = register_module("ffn_output", TokenLinear(options.tokens, hidden, width));
  mix_norm_ = register_module("mix_norm", layer_norm(width));
  ffn_norm_ = register_module("ffn_norm", layer_norm(width));
}

torch::Tensor RankMixerBlockImpl::forward(const torch::Tensor& x) {
  if (!torch::GradMode::is_enabled() && !is_training() && x.is_cpu() &&
      x.scalar_type() == torch::kFloat32)
    return rankmixer_block(x.contiguous(),
                           {{mix_norm_->weight, mix_norm_->bias},
                            {ffn_input_->weight, ffn_input_->bias, ffn_input_->int8.get()},
                            {ffn_output_->weight, ffn_output_->bias, ffn_output_->int8.get()},
                            {ffn_norm_->weight, ffn_norm_->bias}});
  const torch::Tensor mixed = mix_norm_(mix_tokens(x) + x);
  const torch::Tensor hidden =
      torch::dropout(pointwise_gelu(ffn_input_(mixed)), dropout_, is_training());
  return ffn_norm_(ffn_output_(hidden) + mixed);
}

RankMixerImpl::RankMixerImpl(const RankMixerOptions& options) : options_(options) {
  check_sizes("rankmixer", options);
  input_ =
      register_module("input", TokenLinear(options.tokens, slice_width(options), options.width));
  for (int64_t l = 0; l < options.layers; ++l)
    blocks_.push_back(register_module("block_" + std::to_string(l), RankMixerBlock(options)));
}

torch::Tensor RankMixerImpl::forward(const torch::Tensor& features) {
  torch::Tensor x = torch::dropout(input_(feature_slices("rankmixer", options_, features)),
                                   options_.dropout, is_training());
  for (auto& block : blocks_) x = block(x);
  return x.mean(0);
}

}  // namespace lemur
