// BERT's encoder over packed texts: post-LayerNorm transformer (Devlin et al. 2018), the start from
// a pretrained checkpoint (model.md 2).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "lemur/nn/initialized_layers.h"

namespace lemur {

struct BertEncoderOptions {
  int64_t vocabulary = 0;  ///< rows of the word embedding
  int64_t width = 768;     ///< d, of the layers
  int64_t layers = 12;
  int64_t heads = 12;           ///< divides width
  int64_t ffn = 3072;           ///< width of the FFN's hidden layer
  int64_t max_length = 512;     ///< rows of the position embedding
  int64_t fields = 1;           ///< rows of the field embedding
  int64_t output = 128;         ///< r, of the representation
  double norm_epsilon = 1e-12;  ///< of every LayerNorm
  double dropout = 0;           ///< on the embedding and after attention and FFN; 0: none
};

/// One post-LayerNorm block: LN(x + attention(x)), then LN(x + FFN(x)), GELU (exact), packed texts.
class BertLayerImpl : public torch::nn::Module {
 public:
  explicit BertLayerImpl(const BertEncoderOptions& options);

  /// Maps `x` [total, d] with `offsets` int64 [I + 1] to [total, d]; where `rows` (int64 [n]) is
  /// defined, only these rows are returned [n, d] and everything behind the attention is computed
  /// for them only.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& offsets,
                        const torch::Tensor& rows = {});

 private:
  int64_t heads_;
  double dropout_;
  Linear qkv_{nullptr}, attention_output_{nullptr};
  Linear ffn_input_{nullptr}, ffn_output_{nullptr};
  LayerNorm attention_norm_{nullptr}, ffn_norm_{nullptr};
};
TORCH_MODULE(BertLayer);

/// Encodes texts packed one behind the other, as Encoder does, with BERT's arithmetic.
///
/// Embedding = LN(word + position + type + field). All tokens are of the checkpoint's first type;
/// the field embedding is lemur's own and starts at zero, so that fields can be told apart without
/// changing what the checkpoint computes. The checkpoint's pooler is not part of it: the state of
/// the first token is mapped linearly by "output".
class BertEncoderImpl : public torch::nn::Module {
 public:
  /// Throws InvalidArgument where a size is not positive or heads do not divide width.
  explicit BertEncoderImpl(const BertEncoderOptions& options);

  /// Uses another module's word embedding [vocabulary, width], which stays registered there only.
  BertEncoderImpl(const BertEncoderOptions& options, torch::nn::Embedding shared_words);

  /// Returns [I, r], the linearly mapped final state of each text's first token.
  ///
  /// `tokens`, `positions`, `fields` int64 [total]; `offsets` int64 [I + 1], every text has at
  /// least one token. Throws InvalidArgument where sizes do not fit or an index is out of range.
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& positions,
                        const torch::Tensor& fields, const torch::Tensor& offsets);

  /// Returns [I, d], what forward maps: BERT's last hidden state of [CLS].
  torch::Tensor states(const torch::Tensor& tokens, const torch::Tensor& positions,
                       const torch::Tensor& fields, const torch::Tensor& offsets);

  /// While `frozen`, forward computes the states without a graph: only "output" gets a gradient.
  void freeze(bool frozen) { frozen_ = frozen; }

  const BertEncoderOptions& options() const { return options_; }

  /// Returns the word embedding, to be shared with another encoder.
  torch::nn::Embedding word_embedding() const { return word_embedding_; }

 private:
  BertEncoderOptions options_;
  bool frozen_ = false;
  torch::nn::Embedding word_embedding_{nullptr}, position_embedding_{nullptr};
  torch::nn::Embedding type_embedding_{nullptr}, field_embedding_{nullptr};
  LayerNorm embedding_norm_{nullptr};
  std::vector<BertLayer> layers_;
  Linear output_{nullptr};
};
TORCH_MODULE(BertEncoder);

}  // namespace lemur
