// Transformer encoder of packed texts: one representation per text (model.md 2).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "lemur/kernels/flash_attention.h"
#include "lemur/nn/initialized_layers.h"

namespace lemur {

struct EncoderOptions {
  int64_t vocabulary = 0;  ///< rows of the word embedding
  int64_t width = 128;     ///< d, of the layers
  int64_t layers = 4;
  int64_t heads = 4;  ///< divides width
  int64_t ffn_factor = 4;
  int64_t max_length = 0;    ///< rows of the position embedding
  int64_t patch_width = 0;   ///< numbers of an image patch; 0: texts only
  int64_t patch_parts = 1;   ///< equal parts of a patch's numbers, one behind the other
  int64_t types = 1;         ///< rows of the type embedding
  int64_t output = 128;      ///< r, of the representation
  double dropout = 0;        ///< on the embedding and after attention and FFN; 0: none
  bool pools_words = false;  ///< a text is the weighted mean of its words, not its first token
};

/// One pre-LayerNorm block: x + attention(LN(x)), then x + FFN(LN(x)), GELU, packed texts; made of
/// LibTorch's layers, the reference of packed_blocks.
class EncoderLayerImpl : public torch::nn::Module {
 public:
  explicit EncoderLayerImpl(const EncoderOptions& options);

  /// Maps `x` [total, d] with `offsets` int64 [I + 1] to [total, d]; where `rows` (int64 [n]) is
  /// defined, only these rows are returned [n, d] and everything behind the attention is computed
  /// for them only.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& offsets,
                        const torch::Tensor& rows = {});

  /// As forward without dropout, in operations that are fused on CUDA; `texts` from
  /// texts_on_device.
  torch::Tensor forward_fused(const torch::Tensor& x, const DeviceTexts& texts,
                              const torch::Tensor& rows = {});

  /// Returns the parameters in the order of BlockParameter (lemur/kernels/packed_blocks.h).
  std::vector<torch::Tensor> block_parameters() const;

  /// Makes the layer the identity, until it is trained.
  void start_from_identity();

 private:
  int64_t heads_;
  double dropout_;
  torch::nn::LayerNorm attention_norm_{nullptr}, ffn_norm_{nullptr};
  torch::nn::Linear qkv_{nullptr}, attention_output_{nullptr};
  torch::nn::Linear ffn_input_{nullptr}, ffn_output_{nullptr};
};
TORCH_MODULE(EncoderLayer);

/// Image patches that stand in packed texts (early fusion).
struct PackedPatches {
  torch::Tensor values;  ///< float [n, patch_width]
  torch::Tensor rows;    ///< int64 [n], distinct: the row of the packed text that each one takes
};

/// Encodes texts packed one behind the other; attention stays inside a text. A row of a text is a
/// word or a patch of an image.
class EncoderImpl : public torch::nn::Module {
 public:
  /// Throws InvalidArgument where a size is not positive, heads do not divide width or patch_parts
  /// not patch_width.
  explicit EncoderImpl(const EncoderOptions& options);

  /// Uses another module's word embedding [vocabulary, width], which stays registered there only.
  EncoderImpl(const EncoderOptions& options, torch::nn::Embedding shared_words);

  /// Returns [I, r], the linearly mapped final state of each text's first token, or of the weighted
  /// mean of its words.
  ///
  /// `tokens`, `positions`, `types` int64 [total]; `offsets` int64 [I + 1], every text has at least
  /// one token. Where a row is one of `patches`, its token is not looked at. Throws InvalidArgument
  /// where sizes do not fit or an index is out of range.
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& positions,
                        const torch::Tensor& types, const torch::Tensor& offsets,
                        const PackedPatches& patches = {});

  /// The two halves of forward on a device, without dropout or pools_words: the rows that enter the
  /// first block, [total, d], and what becomes of them. `first` int64 [I] on the device: each
  /// text's first row. The second half copies nothing from or to the host.
  torch::Tensor embed_packed(const torch::Tensor& tokens, const torch::Tensor& positions,
                             const torch::Tensor& types, const PackedPatches& patches = {});
  torch::Tensor encode_embedded(torch::Tensor x, const DeviceTexts& texts,
                                const torch::Tensor& first);

  const EncoderOptions& options() const { return options_; }

  /// Keeps only what enters each block for the backward pass and computes the rest again in it; the
  /// gradients are the same. No effect where dropout is at work.
  void recompute(bool on) { recompute_ = on; }

  /// Returns the word embedding, to be shared with another encoder.
  torch::nn::Embedding word_embedding() const { return word_embedding_; }

  /// Makes of an untrained encoder one whose representation of a text is the mean of its words'
  /// vectors [vocabulary, d], weighted by `importance` [vocabulary] (0: not at all), normalised:
  /// residual branches and images begin at zero (model.md 2). Requires: pools_words.
  void start_from_words(const torch::Tensor& vectors, const torch::Tensor& importance);

 private:
  torch::Tensor embed(const torch::Tensor& tokens, const PackedPatches& patches);
  torch::Tensor embed(const torch::Tensor& patches);
  torch::Tensor apply_fused(torch::Tensor x, const DeviceTexts& texts, const torch::Tensor& first);
  torch::Tensor apply_layers(torch::Tensor x, const torch::Tensor& offsets,
                             const torch::Tensor& first);
  torch::Tensor pool(const torch::Tensor& x, const torch::Tensor& tokens,
                     const torch::Tensor& offsets) const;

  EncoderOptions options_;
  bool recompute_ = false;
  torch::nn::Embedding word_embedding_{nullptr};
  torch::Tensor word_weight_;  // [vocabulary]: log of a word's weight in the mean; with pools_words
  Linear patch_input_{nullptr}, patch_output_{nullptr};  // only with patches
  torch::nn::Embedding position_embedding_{nullptr}, type_embedding_{nullptr};
  std::vector<EncoderLayer> layers_;
  LayerNorm final_norm_{nullptr};
  Linear output_{nullptr};
};
TORCH_MODULE(Encoder);

}  // namespace lemur
