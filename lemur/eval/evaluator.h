// Scores a split with a model as a server would: representations from the bank, what the bank lacks
// encoded once.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/data/training_counts.h"
#include "lemur/eval/metrics.h"
#include "lemur/eval/slices.h"
#include "lemur/model/model_state.h"

namespace lemur {

/// Scores of a split's events, in the order of the split, and how they came about.
struct Evaluation {
  std::vector<float> scores;      ///< probabilities of the main task [rows]
  int64_t encoded_documents = 0;  ///< distinct documents that were encoded for this: what the bank
                                  ///< lacked, or all with bank.fresh_evaluation
  std::optional<int64_t> cold_rows;  ///< impressions whose document the bank lacks; nothing without
                                     ///< a bank
  std::optional<double> alignment;   ///< SQDC, mean over the anchors, negatives within batches of
                                     ///< the evaluation; nothing where the model has no such loss
  Metrics metrics;

  /// What the cosine of a sample's query (or what stands for it in feeds) and its document alone
  /// tells; nothing where the model has no such loss.
  struct OfContent {
    std::optional<double> qauc, mrr;              ///< of ranking by the cosine
    double clicked_cosine = 0, other_cosine = 0;  ///< means: of clicked documents, of any other of
                                                  ///< the batch
    double alignment = 0;  ///< mean squared distance of query and clicked document, each of length
                           ///< 1 (Wang and Isola 2020)
  };
  std::optional<OfContent> of_content;
};

/// Runs a model over splits of a store. Store and state must outlive it. Not thread-safe.
class Evaluator {
 public:
  Evaluator(const SampleStore& store, ModelState& state, int64_t batch_size);

  /// Scores a split with the state's present weights. `progress(done, total)` may be empty. Leaves
  /// the state as it was. Throws DataError naming the row where a score is no finite number.
  Evaluation run(const std::string& split,
                 const std::function<void(int64_t, int64_t)>& progress = {});

  /// Returns the metrics of slices of the split: document_seen, document_age, history_length,
  /// user_seen, and where events have queries query_seen (model.md 9).
  nlohmann::ordered_json slices(const std::string& split, const Evaluation& evaluation);

  /// Returns the slice document_seen alone: metrics by how often a document was trained on.
  nlohmann::ordered_json document_seen(const std::string& split, const Evaluation& evaluation);

 private:
  const TrainingCounts& trained();
  SliceColumn document_seen_column(const StoreSchema::Split& split);
  SliceColumn document_age_column(const StoreSchema::Split& split) const;
  SliceColumn history_length_column(const StoreSchema::Split& split) const;
  SliceColumn user_seen_column(const StoreSchema::Split& split);
  SliceColumn query_seen_column(const StoreSchema::Split& split);
  nlohmann::ordered_json measure(const StoreSchema::Split& split, const Evaluation& evaluation,
                                 const std::vector<SliceColumn>& columns) const;

  const SampleStore& store_;
  ModelState& state_;
  int64_t batch_size_;
  std::optional<TrainingCounts> trained_;  // counted when they are first needed
};

/// Views of a split's columns for the metrics; `scores` [rows of the split].
ScoredRows scored_rows(const SampleStore& store, const StoreSchema::Split& split,
                       const std::vector<float>& scores, std::vector<float>& labels,
                       std::vector<uint64_t>& users);

}  // namespace lemur
