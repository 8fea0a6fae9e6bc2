#include "lemur/nn/decoder.h"

#include <torch/torch.h>

#include <cmath>

#include "lemur/base/error.h"
#include "lemur/kernels/gelu.h"
#include "lemur/kernels/ragged_attention.h"
#include "lemur/kernels/shared_attention.h"

namespace lemur {

HistoryDecoderLayerImpl::HistoryDecoderLayerImpl(const HistoryDecoderOptions& options)
    : heads_(options.heads) {
  const int64_t width = options.width, hidden = options.ffn_factor * width;
  if (options.projected) {
    // Without bias: one of the keys would cancel in the softmax, and the maps of an element's three
    // parts add up to the map of the element.
    key_ = register_module("key", initialized_linear(width, width, /*bias=*/false));
    value_ = register_module("value", initialized_linear(width, width, /*bias=*/false));
  }
  context_norm_ = register_module("context_norm", layer_norm(width));
  ffn_input_ = register_module("ffn_input", initialized_linear(width, hidden));
  ffn_output_ = register_module("ffn_output", initialized_linear(hidden, width));
  output_norm_ = register_module("output_norm", layer_norm(width));
}

torch::Tensor HistoryDecoderLayerImpl::forward(
    const torch::Tensor& query, const torch::Tensor& documents, const torch::Tensor& gaps,
    const torch::Tensor& actions, const torch::Tensor& empty, const RaggedHistory& history) {
  const torch::Tensor parts[3] = {documents, gaps, actions};
  torch::Tensor keys[3], values[3];
  for (int part = 0; part < 3; ++part) {
    keys[part] = key_.is_empty() ? parts[part] : key_(parts[part]);
    values[part] = value_.is_empty() ? parts[part] : value_(parts[part]);
  }
  const int64_t width = query.size(1) / heads_;
  const torch::Tensor scaled = query * (1 / std::sqrt(static_cast<double>(width)));
  std::vector<torch::Tensor> heads;
  torch::Tensor present;
  for (int64_t h = 0; h < heads_; ++h) {
    const auto slice = [&](const torch::Tensor& x) { return x.narrow(1, h * width, width); };
    const torch::Tensor q = slice(scaled);
    const RaggedAttended attended =
        ragged_attention(q, slice(keys[0]), slice(values[0]), product(q, slice(keys[1]).t()),
                         product(q, slice(keys[2]).t()),
                         {history.offsets, history.document, history.gap, history.action});
    heads.push_back(attended.documents + product(attended.gap, slice(values[1])) +
                    product(attended.action, slice(values[2])));
    // The weights of a sample sum to 1, or to 0 where it has no element.
    if (h == 0) present = attended.action.detach().sum(1, /*keepdim=*/true) > 0.5;
  }
  return finish(query, torch::where(present, torch::cat(heads, 1), empty.unsqueeze(0)));
}

torch::Tensor HistoryDecoderLayerImpl::forward_shared(const torch::Tensor& query,
                                                      const torch::Tensor& elements,
                                                      const torch::Tensor& empty,
                                                      const RaggedHistory& history) {
  const torch::Tensor keys = key_.is_empty() ? elements : key_(elements),
                      values = value_.is_empty() ? elements : value_(elements);
  const int64_t width = query.size(1) / heads_;
  const torch::Tensor scaled = query * (1 / std::sqrt(static_cast<double>(width)));
  std::vector<torch::Tensor> heads;
  for (int64_t h = 0; h < heads_; ++h) {
    const auto slice = [&](const torch::Tensor& x) { return x.narrow(1, h * width, width); };
    heads.push_back(shared_attention(slice(scaled), slice(keys), slice(values),
                                     {history.samples, history.offsets}));
  }
  const torch::Tensor present = history.offsets.diff() > 0;
  return finish(query, torch::where(present.repeat_interleave(history.samples.diff()).unsqueeze(1),
                                    torch::cat(heads, 1), empty.unsqueeze(0)));
}

torch::Tensor HistoryDecoderLayerImpl::finish(const torch::Tensor& query,
                                              const torch::Tensor& context) {
  const torch::Tensor hidden = pointwise_gelu(ffn_input_(context_norm_(context)));
  return output_norm_(query + ffn_output_(hidden));
}

HistoryDecoderImpl::HistoryDecoderImpl(const HistoryDecoderOptions& options) : options_(options) {
  const HistoryDecoderOptions& o = options_;
  if (o.input < 1 || o.width < 1 || o.layers < 1 || o.heads < 1 || o.gaps < 1 || o.actions < 1 ||
      o.ffn_factor < 1)
    fail<InvalidArgument>(
        "decoder",
        "input {}, width {}, layers {}, heads {}, gaps {}, actions {}, ffn_factor "
        "{}: each must be positive",
        o.input, o.width, o.layers, o.heads, o.gaps, o.actions, o.ffn_factor);
  if (o.width % o.heads != 0)
    fail<InvalidArgument>("decoder", "{} heads do not divide the width {}", o.heads, o.width);
  input_ = register_module("input", initialized_linear(o.input, o.width));
  gap_embedding_ = register_module("gap_embedding", initialized_embedding(o.gaps, o.width));
  action_embedding_ =
      register_module("action_embedding", initialized_embedding(o.actions, o.width));
  empty_ = register_parameter("empty", torch::randn({o.width}) * 0.02);
  for (int64_t l = 0; l < o.layers; ++l)
    layers_.push_back(register_module("layer_" + std::to_string(l), HistoryDecoderLayer(o)));
}

torch::Tensor HistoryDecoderImpl::forward(const torch::Tensor& features,
                                          const torch::Tensor& elements,
                                          const RaggedHistory& history) {
  if (features.dim() != 2 || features.size(1) != options_.input)
    fail<InvalidArgument>("decoder", "features have shape {}; expected [B, {}]",
                          fmt::join(features.sizes(), " x "), options_.input);
  if (elements.dim() != 2 || elements.size(1) != options_.width)
    fail<InvalidArgument>("decoder", "elements have shape {}; expected [U, {}]",
                          fmt::join(elements.sizes(), " x "), options_.width);
  torch::Tensor query = input_(features);
  if (history.samples.defined()) {
    const torch::Tensor sums = elements.index_select(0, history.document) +
                               gap_embedding_->weight.index_select(0, history.gap) +
                               action_embedding_->weight.index_select(0, history.action);
    for (auto& layer : layers_) query = layer->forward_shared(query, sums, empty_, history);
    return query;
  }
  for (auto& layer : layers_)
    query =
        layer(query, elements, gap_embedding_->weight, action_embedding_->weight, empty_, history);
  return query;
}

}  // namespace lemur
