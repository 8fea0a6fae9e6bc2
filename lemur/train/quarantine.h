// The rows of training steps that were not applied: quarantine.jsonl of a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "lemur/data/batch.h"
#include "lemur/train/step_metrics.h"

namespace lemur {

/// Not thread-safe.
class Quarantine {
 public:
  /// Lines of `<run>/quarantine.jsonl` beyond `step` are dropped; of those up to it, `skipped`
  /// steps are counted. Training stops where more than `max_share` of the steps are.
  Quarantine(const std::filesystem::path& run, int64_t step, int64_t skipped, double max_share);

  /// Writes a line for each row of a step that was skipped for `metrics.fault`: step, reason, event
  /// (its place in the store), row of the events input, user, document, labels, and the score that
  /// was no number, null, or was one. Throws DataError, naming rows, where more than `max_share` of
  /// the steps so far, or of 100 steps while there are fewer, were skipped.
  void add(const SampleStore& store, const Batch& batch, int64_t step, const StepMetrics& metrics);

  int64_t num_skipped() const { return skipped_; }

 private:
  std::filesystem::path file_;
  int64_t skipped_;
  double max_share_;
};

}  // namespace lemur
