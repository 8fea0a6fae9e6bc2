// Decoder of a history: features of a sample attend to its elements (model.md 5).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "lemur/nn/initialized_layers.h"
#include "lemur/nn/ragged_history.h"

namespace lemur {

struct HistoryDecoderOptions {
  int64_t input = 0;  ///< F, width of the features that make the first query
  int64_t width = 0;  ///< r, of an element and of the output
  int64_t layers = 2;
  int64_t heads = 1;           ///< divides width
  bool projected = false;      ///< keys and values are linear maps of the elements
  int64_t gaps = kGapBuckets;  ///< rows of the gap embedding
  int64_t actions = 1;         ///< rows of the action embedding
  int64_t ffn_factor = 4;
};

/// One layer: c = sum_j softmax_j(Q . k_j / sqrt(r)) v_j, then LN(Q + FFN(LN(c))).
class HistoryDecoderLayerImpl : public torch::nn::Module {
 public:
  explicit HistoryDecoderLayerImpl(const HistoryDecoderOptions& options);

  /// Maps `query` [B, r] to [B, r]; element j is the sum of rows of `documents` [U, r], `gaps`
  /// [G, r] and `actions` [A, r]. Where a history has no element, c is `empty` [r].
  torch::Tensor forward(const torch::Tensor& query, const torch::Tensor& documents,
                        const torch::Tensor& gaps, const torch::Tensor& actions,
                        const torch::Tensor& empty, const RaggedHistory& history);

  /// Gives the same for samples that share histories; `elements` [M, r] are the sums.
  torch::Tensor forward_shared(const torch::Tensor& query, const torch::Tensor& elements,
                               const torch::Tensor& empty, const RaggedHistory& history);

 private:
  torch::Tensor finish(const torch::Tensor& query, const torch::Tensor& context);

  int64_t heads_;
  Linear key_{nullptr}, value_{nullptr};  // only where projected
  LayerNorm context_norm_{nullptr}, output_norm_{nullptr};
  Linear ffn_input_{nullptr}, ffn_output_{nullptr};
};
TORCH_MODULE(HistoryDecoderLayer);

/// Reads ragged histories without ever materialising their elements; of shared ones each element
/// once.
class HistoryDecoderImpl : public torch::nn::Module {
 public:
  /// Throws InvalidArgument where a size is not positive or heads do not divide width.
  explicit HistoryDecoderImpl(const HistoryDecoderOptions& options);

  /// Returns [B, r].
  ///
  /// `features` [B, F]; `elements` [U, r], vectors of the batch's distinct documents, U may be 0.
  /// Element j of a history is elements[document_j] + gap embedding + action embedding; missing
  /// documents are masked out; a history with no element left attends to one learned vector.
  /// Of a shared history (RaggedHistory::samples) every document is there. Throws InvalidArgument
  /// where shapes do not fit or an index is out of range.
  torch::Tensor forward(const torch::Tensor& features, const torch::Tensor& elements,
                        const RaggedHistory& history);

 private:
  HistoryDecoderOptions options_;
  Linear input_{nullptr};
  torch::nn::Embedding gap_embedding_{nullptr}, action_embedding_{nullptr};
  torch::Tensor empty_;  // [r]
  std::vector<HistoryDecoderLayer> layers_;
};
TORCH_MODULE(HistoryDecoder);

}  // namespace lemur
