#include "lemur/nn/rankmixer_moe.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/kernels/gelu.h"
#include "lemur/kernels/product.h"

namespace lemur {
namespace {

/// A router that opens every gate to 1 / E at first, more or less: the experts begin as their mean,
/// and none begins closed for all samples.
TokenLinear router(int64_t tokens, int64_t width, int64_t experts) {
  TokenLinear layer(tokens, width, experts);
  torch::nn::init::normal_(layer->weight, 0, 0.02);
  torch::nn::init::constant_(layer->bias, 1 / static_cast<double>(experts));
  return layer;
}

/// Maps rows x [n, input] by one expert's weights in 8 bits.
torch::Tensor map_rows(const TokenLinear& layer, int64_t expert, const torch::Tensor& x) {
  const int64_t output = layer->weight.size(1), rows = x.size(0);
  constexpr int64_t kMost = Int8Weights::kMostRows;
  torch::Tensor y = torch::empty({rows, output});
  at::parallel_for(0, (rows + kMost - 1) / kMost, 1, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin * kMost; first < std::min(end * kMost, rows); first += kMost)
      layer->int8->product_rows(
          expert, std::min(kMost, rows - first), x.data_ptr<float>() + first * x.size(1),
          layer->bias.data_ptr<float>() + expert * output, y.data_ptr<float>() + first * output);
  });
  return y;
}

}  // namespace

TokenExpertsImpl::TokenExpertsImpl(const RankMixerMoeOptions& options)
    : experts_(options.experts), dropout_(options.mixer.dropout) {
  const int64_t tokens = options.mixer.tokens, width = options.mixer.width,
                hidden = options.mixer.ffn_factor * width;
  dense_router_ = register_module("dense_router", router(tokens, width, experts_));
  sparse_router_ = register_module("sparse_router", router(tokens, width, experts_));
  ffn_input_ = register_module("ffn_input", TokenLinear(tokens * experts_, width, hidden));
  ffn_output_ = register_module("ffn_output", TokenLinear(tokens * experts_, hidden, width));
}

torch::Tensor TokenExpertsImpl::gates(const torch::Tensor& x, Router router) {
  return torch::relu(router == Router::kDense ? dense_router_(x) : sparse_router_(x));
}

torch::Tensor TokenExpertsImpl::forward(const torch::Tensor& x, const torch::Tensor& gates,
                                        Router router) {
  return router == Router::kDense ? run_all(x, gates) : run_open(x, gates);
}

torch::Tensor TokenExpertsImpl::run_all(const torch::Tensor& x, const torch::Tensor& gates) {
  const int64_t tokens = x.size(0), samples = x.size(1), width = x.size(2);
  const torch::Tensor each = x.unsqueeze(1)
                                 .expand({tokens, experts_, samples, width})
                                 .reshape({tokens * experts_, samples, width});
  const torch::Tensor hidden =
      torch::dropout(pointwise_gelu(ffn_input_(each)), dropout_, is_training());
  const torch::Tensor outputs = ffn_output_(hidden).view({tokens, experts_, samples, width});
  return (outputs * gates.transpose(1, 2).unsqueeze(3)).sum(1);
}

torch::Tensor TokenExpertsImpl::run_open(const torch::Tensor& x, const torch::Tensor& gates) {
  // Taken apart at once: the gradient of a part by itself would be as large as the whole.
  const auto inputs = x.unbind(0), of_token = gates.unbind(0);
  const auto input_weights = ffn_input_->weight.unbind(0),
             input_biases = ffn_input_->bias.unbind(0);
  const auto weights = ffn_output_->weight.unbind(0), biases = ffn_output_->bias.unbind(0);
  const auto map = [](const TokenLinear& layer, size_t expert, const torch::Tensor& weight,
                      const torch::Tensor& bias, const torch::Tensor& rows) {
    return layer->int8 ? map_rows(layer, static_cast<int64_t>(expert), rows)
                       : product(rows, weight.t(), bias);
  };
  std::vector<torch::Tensor> outputs;
  for (size_t t = 0; t < inputs.size(); ++t) {
    torch::Tensor sum = torch::zeros_like(inputs[t]);
    const auto of_expert = of_token[t].unbind(1);
    for (size_t e = 0; e < of_expert.size(); ++e) {
      const torch::Tensor open = (of_expert[e] > 0).nonzero().flatten();
      if (open.numel() == 0) continue;
      const size_t expert = t * of_expert.size() + e;
      torch::Tensor hidden =
          pointwise_gelu(map(ffn_input_, expert, input_weights[expert], input_biases[expert],
                             inputs[t].index_select(0, open)));
      hidden = torch::dropout(hidden, dropout_, is_training());
      const torch::Tensor output =
          map(ffn_output_, expert, weights[expert], biases[expert], hidden);
      sum = sum.index_add(
          0, open, (output * of_expert[e].index_select(0, open).unsqueeze(1)).to(sum.dtype()));
    }
    outputs.push_back(sum);
  }
  return torch::stack(outputs);
}

RankMixerMoeBlockImpl::RankMixerMoeBlockImpl(const RankMixerMoeOptions& options) {
  experts_ = register_module("experts", TokenExperts(options));
  mix_norm_ = register_module("mix_norm", layer_norm(options.mixer.width));
  ffn_norm_ = register_module("ffn_norm", layer_norm(options.mixer.width));
}

torch::Tensor RankMixerMoeBlockImpl::forward(const torch::Tensor& x, Router router,
                                             torch::Tensor& activity) {
  const torch::Tensor mixed = mix_norm_(mix_tokens(x) + x);
  const torch::Tensor gates = experts_->gates(mixed, router);
  activity = activity + gates.sum(2).mean();
  return ffn_norm_(experts_(mixed, gates, router) + mixed);
}

RankMixerMoeImpl::RankMixerMoeImpl(const RankMixerMoeOptions& options) : options_(options.mixer) {
  const RankMixerOptions& o = options_;
  check_sizes("rankmixer_moe", o);
  if (options.experts < 1)
    fail<InvalidArgument>("rankmixer_moe", "experts {}; there must be one at least",
                          options.experts);
  input_ = register_module("input", TokenLinear(o.tokens, slice_width(o), o.width));
  for (int64_t l = 0; l < o.layers; ++l)
    blocks_.push_back(register_module("block_" + std::to_string(l), RankMixerMoeBlock(options)));
}

torch::Tensor RankMixerMoeImpl::tokens_of(const torch::Tensor& features) {
  return torch::dropout(input_(feature_slices("rankmixer_moe", options_, features)),
                        options_.dropout, is_training());
}

torch::Tensor RankMixerMoeImpl::mix(torch::Tensor x, Router router, torch::Tensor& activity) {
  for (auto& block : blocks_) x = block(x, router, activity);
  activity = activity / static_cast<double>(blocks_.size());
  return x.mean(0);
}

torch::Tensor RankMixerMoeImpl::forward(const torch::Tensor& features) {
  torch::Tensor activity = torch::zeros({}, features.options());
  return mix(tokens_of(features), Router::kSparse, activity);
}

MixedByBoth RankMixerMoeImpl::forward_both(const torch::Tensor& features) {
  const torch::Tensor tokens = tokens_of(features);
  torch::Tensor unpenalised = torch::zeros({}, tokens.options());
  MixedByBoth both{.activity = torch::zeros({}, tokens.options())};
  both.dense = mix(tokens, Router::kDense, unpenalised);
  both.sparse = mix(tokens, Router::kSparse, both.activity);
  return both;
}

}  // namespace lemur
