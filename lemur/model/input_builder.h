// From a batch to the tensors of one forward pass.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/model/feature_tables.h"
#include "lemur/model/history_index.h"
#include "lemur/model/ranking_model.h"

namespace lemur {

/// Representations of documents where there are some.
struct StoredContent {
  torch::Tensor vectors;      ///< [n, r], zeros where missing
  std::vector<bool> present;  ///< [n]
};

/// Looks documents up: the bank, or the bank and what an evaluation encoded.
using ContentSource = std::function<StoredContent(std::span<const uint32_t> documents)>;

/// One forward pass's input and what it was made from.
struct BuiltInput {
  RankingInput input;
  EmbeddedFeatures features;
  std::vector<uint32_t> history_documents;  ///< [U]
  std::vector<bool> history_present;        ///< [U]
  std::vector<int64_t> history_elements;    ///< per history: elements of the batch
  std::vector<int64_t>
      history_missing;  ///< per history: those whose document has no representation
};

/// Keeps scratch memory between batches. Store, model and tables must outlive it. Not thread-safe.
class InputBuilder {
 public:
  InputBuilder(const SampleStore& store, RankingModel model, const FeatureTables& tables);

  /// Builds everything but the documents' and queries' representations, which the caller adds to
  /// `input.documents` and `input.queries`.
  BuiltInput build(const Batch& batch, const ContentSource& histories, bool training);

 private:
  const SampleStore& store_;
  RankingModel model_;
  const FeatureTables& tables_;
  HistoryIndexer indexer_;
};

/// Returns what the losses need of the batch.
RankingTargets make_targets(const Batch& batch, int64_t num_labels);

}  // namespace lemur
