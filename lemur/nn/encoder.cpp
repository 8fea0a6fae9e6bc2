#include "lemur/nn/encoder.h"

#include <torch/torch.h>

#include <cmath>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/fused_rows.h"
#include "lemur/kernels/packed_attention.h"
#include "lemur/kernels/packed_blocks.h"
#include "lemur/kernels/row_check.h"
#include "lemur/kernels/text_mean.h"
#include "lemur/nn/packed_texts.h"

namespace lemur {
namespace {

constexpr double kNoWeight = -1e4;  // log of the weight of a word that a mean leaves out
constexpr double kWordScale = 0.06, kPlaceScale = 0.002;  // deviations that start_from_words gives

void check(const EncoderOptions& o) {
  if (o.vocabulary < 1 || o.width < 1 || o.layers < 1 || o.heads < 1 || o.ffn_factor < 1 ||
      o.max_length < 1 || o.types < 1 || o.output < 1)
    fail<InvalidArgument>("encoder",
                          "vocabulary {}, width {}, layers {}, heads {}, ffn_factor {}, max_length "
                          "{}, types {}, output {}: each must be positive",
                          o.vocabulary, o.width, o.layers, o.heads, o.ffn_factor, o.max_length,
                          o.types, o.output);
  if (o.width % o.heads != 0)
    fail<InvalidArgument>("encoder", "{} heads do not divide the width {}", o.heads, o.width);
  if (o.patch_width < 0 || o.patch_parts < 1 || o.patch_width % o.patch_parts != 0)
    fail<InvalidArgument>("encoder", "{} parts do not divide a patch of {} numbers", o.patch_parts,
                          o.patch_width);
}

}  // namespace

EncoderLayerImpl::EncoderLayerImpl(const EncoderOptions& options)
    : heads_(options.heads), dropout_(options.dropout) {
  const int64_t width = options.width, hidden = options.ffn_factor * width;
  attention_norm_ = register_module("attention_norm", layer_norm<torch::nn::LayerNorm>(width));
  qkv_ = register_module("qkv", initialized_linear<torch::nn::Linear>(width, 3 * width));
  attention_output_ =
      register_module("attention_output", initialized_linear<torch::nn::Linear>(width, width));
  ffn_norm_ = register_module("ffn_norm", layer_norm<torch::nn::LayerNorm>(width));
  ffn_input_ = register_module("ffn_input", initialized_linear<torch::nn::Linear>(width, hidden));
  ffn_output_ = register_module("ffn_output", initialized_linear<torch::nn::Linear>(hidden, width));
}

torch::Tensor EncoderLayerImpl::forward(const torch::Tensor& x, const torch::Tensor& offsets,
                                        const torch::Tensor& rows) {
  torch::Tensor attended = packed_attention(qkv_(attention_norm_(x)), offsets, heads_);
  torch::Tensor state = x;
  if (rows.defined()) {
    attended = attended.index_select(0, rows);
    state = state.index_select(0, rows);
  }
  state = state + torch::dropout(attention_output_(attended), dropout_, is_training());
  const torch::Tensor hidden = torch::gelu(ffn_input_(ffn_norm_(state)));
  return state + torch::dropout(ffn_output_(hidden), dropout_, is_training());
}

torch::Tensor EncoderLayerImpl::forward_fused(const torch::Tensor& x, const DeviceTexts& texts,
                                              const torch::Tensor& rows) {
  torch::Tensor attended = packed_attention(qkv_(attention_norm_(x)), texts, heads_);
  torch::Tensor state = x;
  if (rows.defined()) {
    attended = attended.index_select(0, rows);
    state = state.index_select(0, rows);
  }
  const auto [sum, normal] =
      add_normalize(state, attention_output_(attended), ffn_norm_->weight, ffn_norm_->bias);
  const torch::Tensor hidden =
      bias_gelu(torch::matmul(normal, ffn_input_->weight.t()), ffn_input_->bias);
  return sum + ffn_output_(hidden);
}

std::vector<torch::Tensor> EncoderLayerImpl::block_parameters() const {
  return {
      attention_norm_->weight,   attention_norm_->bias,   qkv_->weight,        qkv_->bias,
      attention_output_->weight, attention_output_->bias, ffn_norm_->weight,   ffn_norm_->bias,
      ffn_input_->weight,        ffn_input_->bias,        ffn_output_->weight, ffn_output_->bias};
}

void EncoderLayerImpl::start_from_identity() {
  torch::nn::init::zeros_(attention_output_->weight);
  torch::nn::init::zeros_(ffn_output_->weight);
}

EncoderImpl::EncoderImpl(const EncoderOptions& options)
    : EncoderImpl(options, torch::nn::Embedding{nullptr}) {}

EncoderImpl::EncoderImpl(const EncoderOptions& options, torch::nn::Embedding shared_words)
    : options_(options), word_embedding_(std::move(shared_words)) {
  check(options);
  if (word_embedding_.is_empty()) {
    word_embedding_ =
        register_module("word_embedding", initialized_embedding(options.vocabulary, options.width));
  } else {
    check_shared_words("encoder", word_embedding_, options.vocabulary, options.width);
  }
  if (options.pools_words)
    word_weight_ = register_parameter("word_weight", torch::zeros({options.vocabulary}));
  if (options.patch_width > 0) {
    const int64_t width = options.width, parts = options.patch_parts;
    patch_input_ =
        register_module("patch_input", initialized_linear(options.patch_width / parts, width));
    patch_output_ = register_module("patch_output", initialized_linear(parts * width, width));
    // A patch begins as the mean of its parts: they look alike wherever they lie.
    torch::NoGradGuard no_gradient;
    torch::Tensor& weight = patch_output_->weight;
    weight.copy_(weight.narrow(1, 0, width).repeat({1, parts}));
  }
  position_embedding_ = register_module("position_embedding",
                                        initialized_embedding(options.max_length, options.width));
  type_embedding_ =
      register_module("type_embedding", initialized_embedding(options.types, options.width));
  for (int64_t l = 0; l < options.layers; ++l)
    layers_.push_back(register_module("layer_" + std::to_string(l), EncoderLayer(options)));
  final_norm_ = register_module("final_norm", layer_norm(options.width));
  output_ = register_module("output", initialized_linear(options.width, options.output));
}

torch::Tensor EncoderImpl::embed(const torch::Tensor& tokens, const PackedPatches& patches) {
  // Words weigh sqrt(d) (Vaswani et al. 2017, 3.4): otherwise what all texts share, positions and
  // types, drowns the words of an untrained encoder, and SQDC begins with equal vectors.
  torch::Tensor words = word_embedding_(checked_index("encoder", "token", tokens, tokens.numel(), 0,
                                                      options_.vocabulary)) *
                        std::sqrt(static_cast<double>(options_.width));
  if (!patches.values.defined() || patches.values.numel() == 0) return words;
  if (patch_input_.is_empty() || patches.values.dim() != 2 ||
      patches.values.size(1) != options_.patch_width)
    fail<InvalidArgument>("encoder", "patches are [{}]; expected rows of {} numbers",
                          fmt::join(patches.values.sizes(), ", "), options_.patch_width);
  const torch::Tensor rows = checked_index("encoder", "patch row", patches.rows,
                                           patches.values.size(0), 0, tokens.numel());
  return words.index_copy(0, rows, embed(patches.values).to(words.dtype()));
}

torch::Tensor EncoderImpl::embed(const torch::Tensor& patches) {
  // Not one linear map: what a patch shows is no linear function of its pixels, and a shallow
  // encoder has no other place to find it. The parts share the first layer, as in a convolution,
  // so that each image tells it as much as its parts.
  const torch::Tensor parts = patches.reshape({-1, patch_input_->options.in_features()});
  const torch::Tensor hidden = torch::gelu(patch_input_(parts));
  return patch_output_(hidden.view({-1, patch_output_->options.in_features()}));
}

torch::Tensor EncoderImpl::forward(const torch::Tensor& tokens, const torch::Tensor& positions,
                                   const torch::Tensor& types, const torch::Tensor& offsets,
                                   const PackedPatches& patches) {
  const torch::Tensor first = first_tokens("encoder", offsets, tokens.numel());
  torch::Tensor x = embed_packed(tokens, positions, types, patches);
  x = torch::dropout(x, options_.dropout, is_training());
  if (!options_.pools_words) return output_(final_norm_(apply_layers(x, offsets, first)));
  return output_(final_norm_(pool(apply_layers(x, offsets, {}), tokens, offsets)));
}

torch::Tensor EncoderImpl::embed_packed(const torch::Tensor& tokens, const torch::Tensor& positions,
                                        const torch::Tensor& types, const PackedPatches& patches) {
  const int64_t total = tokens.numel();
  return embed(tokens, patches) +
         position_embedding_(
             checked_index("encoder", "position", positions, total, 0, options_.max_length)) +
         type_embedding_(checked_index("encoder", "type", types, total, 0, options_.types));
}

/// Returns the weighted means of the texts' rows x [total, d].
torch::Tensor EncoderImpl::pool(const torch::Tensor& x, const torch::Tensor& tokens,
                                const torch::Tensor& offsets) const {
  return text_means(x, word_weight_.index_select(0, tokens.to(x.device())).to(x.scalar_type()),
                    offsets);
}

void EncoderImpl::start_from_words(const torch::Tensor& vectors, const torch::Tensor& importance) {
  const torch::NoGradGuard no_gradient;
  word_embedding_->weight.copy_(vectors *
                                (kWordScale / vectors.square().mean().sqrt().clamp_min(1e-12)));
  word_weight_.copy_(
      torch::where(importance > 0, importance.log(), torch::full_like(importance, kNoWeight)));
  for (const torch::nn::Embedding& table : {position_embedding_, type_embedding_})
    torch::nn::init::normal_(table->weight, 0, kPlaceScale);
  for (EncoderLayer& layer : layers_) layer->start_from_identity();
  torch::nn::init::eye_(output_->weight);
}

torch::Tensor EncoderImpl::encode_embedded(torch::Tensor x, const DeviceTexts& texts,
                                           const torch::Tensor& first) {
  return output_(final_norm_(apply_fused(std::move(x), texts, first)));
}

torch::Tensor EncoderImpl::apply_fused(torch::Tensor x, const DeviceTexts& texts,
                                       const torch::Tensor& first) {
  // Where only the first tokens are read in the end, the last layer stops at its attention for
  // others.
  for (size_t l = 0; l + 1 < layers_.size(); ++l) x = layers_[l]->forward_fused(x, texts);
  return layers_.back()->forward_fused(x, texts, first);
}

/// Returns the final state of each text's first token, [I, d]; of all tokens, [total, d], where
/// `first` is undefined.
torch::Tensor EncoderImpl::apply_layers(torch::Tensor x, const torch::Tensor& offsets,
                                        const torch::Tensor& first) {
  const bool drops = options_.dropout > 0 && is_training();
  if (!takes_launchers(x.device()) && !drops) {
    std::vector<torch::Tensor> parameters;
    for (const EncoderLayer& layer : layers_)
      for (torch::Tensor& parameter : layer->block_parameters())
        parameters.push_back(std::move(parameter));
    return packed_blocks(
        x, offsets, parameters,
        {.heads = options_.heads, .all_rows = !first.defined(), .recompute = recompute_});
  }
  const torch::Tensor rows = first.defined() ? first.to(x.device()) : first;
  if (!drops) return apply_fused(x, texts_on_device(offsets, x.device()), rows);
  for (size_t l = 0; l + 1 < layers_.size(); ++l) x = layers_[l](x, offsets);
  return layers_.back()(x, offsets, rows);
}

}  // namespace lemur
