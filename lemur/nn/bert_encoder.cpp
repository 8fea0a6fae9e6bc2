#include "lemur/nn/bert_encoder.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/kernels/gelu.h"
#include "lemur/kernels/packed_attention.h"
#include "lemur/kernels/row_check.h"
#include "lemur/nn/initialized_layers.h"
#include "lemur/nn/packed_texts.h"

namespace lemur {
namespace {

void check(const BertEncoderOptions& o) {
  if (o.vocabulary < 1 || o.width < 1 || o.layers < 1 || o.heads < 1 || o.ffn < 1 ||
      o.max_length < 1 || o.fields < 1 || o.output < 1)
    fail<InvalidArgument>("BERT encoder",
                          "vocabulary {}, width {}, layers {}, heads {}, ffn {}, max_length {}, "
                          "fields {}, output {}: each must be positive",
                          o.vocabulary, o.width, o.layers, o.heads, o.ffn, o.max_length, o.fields,
                          o.output);
  if (o.width % o.heads != 0)
    fail<InvalidArgument>("BERT encoder", "{} heads do not divide the width {}", o.heads, o.width);
}

LayerNorm bert_norm(const BertEncoderOptions& options) {
  return LayerNorm(torch::nn::LayerNormOptions({options.width}).eps(options.norm_epsilon));
}

}  // namespace

BertLayerImpl::BertLayerImpl(const BertEncoderOptions& options)
    : heads_(options.heads), dropout_(options.dropout) {
  const int64_t width = options.width;
  qkv_ = register_module("qkv", initialized_linear(width, 3 * width));
  attention_output_ = register_module("attention_output", initialized_linear(width, width));
  attention_norm_ = register_module("attention_norm", bert_norm(options));
  ffn_input_ = register_module("ffn_input", initialized_linear(width, options.ffn));
  ffn_output_ = register_module("ffn_output", initialized_linear(options.ffn, width));
  ffn_norm_ = register_module("ffn_norm", bert_norm(options));
}

torch::Tensor BertLayerImpl::forward(const torch::Tensor& x, const torch::Tensor& offsets,
                                     const torch::Tensor& rows) {
  torch::Tensor attended = packed_attention(qkv_(x), offsets, heads_);
  torch::Tensor state = x;
  if (rows.defined()) {
    attended = attended.index_select(0, rows);
    state = state.index_select(0, rows);
  }
  state =
      attention_norm_(state + torch::dropout(attention_output_(attended), dropout_, is_training()));
  const torch::Tensor hidden = pointwise_gelu(ffn_input_(state));
  return ffn_norm_(state + torch::dropout(ffn_output_(hidden), dropout_, is_training()));
}

BertEncoderImpl::BertEncoderImpl(const BertEncoderOptions& options)
    : BertEncoderImpl(options, torch::nn::Embedding{nullptr}) {}

BertEncoderImpl::BertEncoderImpl(const BertEncoderOptions& options,
                                 torch::nn::Embedding shared_words)
    : options_(options), word_embedding_(std::move(shared_words)) {
  check(options);
  if (word_embedding_.is_empty()) {
    word_embedding_ =
        register_module("word_embedding", initialized_embedding(options.vocabulary, options.width));
  } else {
    check_shared_words("BERT encoder", word_embedding_, options.vocabulary, options.width);
  }
  position_embedding_ = register_module("position_embedding",
                                        initialized_embedding(options.max_length, options.width));
  type_embedding_ = register_module("type_embedding", initialized_embedding(1, options.width));
  field_embedding_ =
      register_module("field_embedding", torch::nn::Embedding(options.fields, options.width));
  torch::nn::init::zeros_(field_embedding_->weight);
  embedding_norm_ = register_module("embedding_norm", bert_norm(options));
  for (int64_t l = 0; l < options.layers; ++l)
    layers_.push_back(register_module("layer_" + std::to_string(l), BertLayer(options)));
  output_ = register_module("output", initialized_linear(options.width, options.output));
}

torch::Tensor BertEncoderImpl::states(const torch::Tensor& tokens, const torch::Tensor& positions,
                                      const torch::Tensor& fields, const torch::Tensor& offsets) {
  const int64_t total = tokens.numel();
  const torch::Tensor first = first_tokens("BERT encoder", offsets, total);
  torch::Tensor x =
      word_embedding_(
          checked_index("BERT encoder", "token", tokens, total, 0, options_.vocabulary)) +
      position_embedding_(
          checked_index("BERT encoder", "position", positions, total, 0, options_.max_length)) +
      type_embedding_->weight +
      field_embedding_(checked_index("BERT encoder", "field", fields, total, 0, options_.fields));
  x = torch::dropout(embedding_norm_(x), options_.dropout, is_training());

  // Only the first tokens are read in the end, so the last layer stops at its attention for others.
  const torch::Tensor rows = first.to(tokens.device());
  for (size_t l = 0; l + 1 < layers_.size(); ++l) x = layers_[l](x, offsets);
  return layers_.back()(x, offsets, rows);
}

torch::Tensor BertEncoderImpl::forward(const torch::Tensor& tokens, const torch::Tensor& positions,
                                       const torch::Tensor& fields, const torch::Tensor& offsets) {
  if (!frozen_) return output_(states(tokens, positions, fields, offsets));
  torch::Tensor constant;
  {
    torch::NoGradGuard no_grad;
    constant = states(tokens, positions, fields, offsets);
  }
  return output_(constant);
}

}  // namespace lemur
