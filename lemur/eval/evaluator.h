// Scores a split with a model as a server would: representations from the bank, what the bank lacks
// encoded once.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/eval/metrics.h"
#include "lemur/model/model_state.h"

namespace lemur {

/// Scores of a split's events, in the order of the split, and how they came about.
struct Evaluation {
  std::vector<float> scores;      ///< probabilities of the main task [rows]
  int64_t encoded_documents = 0;  ///< documents that the bank lacked and that were encoded for this
  Metrics metrics;
};

/// Runs a model over splits of a store. Store and state must outlive it. Not thread-safe.
class Evaluator {
 public:
  Evaluator(const SampleStore& store, ModelState& state, int64_t batch_size);

  /// Scores a split with the state's present weights. `progress(done, total)` may be empty. Leaves
  /// the state as it was.
  Evaluation run(const std::string& split,
                 const std::function<void(int64_t, int64_t)>& progress = {});

  /// Returns the metrics of slices of the split: document_seen, document_age, history_length,
  /// user_seen (model.md 9).
  nlohmann::ordered_json slices(const std::string& split, const Evaluation& evaluation);

 private:
  const SampleStore& store_;
  ModelState& state_;
  int64_t batch_size_;
  std::vector<uint32_t> times_trained_,
      user_trained_;  // impressions in the training split; filled by the first call of slices
};

/// Views of a split's columns for the metrics; `scores` [rows of the split].
ScoredRows scored_rows(const SampleStore& store, const StoreSchema::Split& split,
                       const std::vector<float>& scores, std::vector<float>& labels,
                       std::vector<uint64_t>& users);

}  // namespace lemur
