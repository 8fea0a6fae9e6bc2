// What a run writes about itself: metrics.jsonl, TensorBoard events and the progress line.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lemur/base/progress.h"
#include "lemur/data/batch.h"
#include "lemur/eval/bank_deciles.h"
#include "lemur/eval/evaluator.h"
#include "lemur/eval/window_auc.h"
#include "lemur/model/model_state.h"
#include "lemur/model/representation.h"
#include "lemur/train/tensorboard.h"
#include "lemur/train/train_step.h"

namespace lemur {

struct RunLogOptions {
  std::filesystem::path run;
  std::vector<std::string> history_names;
  bool bank = false;           ///< whether the model has one, to write of
  bool all_negatives = false;  ///< SQDC's are the documents of all samples
  int64_t step = 0;  ///< lines of metrics.jsonl beyond it are dropped: a crashed run may have gone
                     ///< further than its checkpoint
  int64_t total_steps = 0;
  bool show_progress = true;
};

/// Averages the steps of an interval and writes them under flat names ("train/loss",
/// "bank/coverage_long" ...). Not thread-safe.
class RunLog {
 public:
  explicit RunLog(const RunLogOptions& options);
  ~RunLog();

  /// Adds one step that was applied, whose batch was waited for `wait_ms` milliseconds, and shows
  /// progress.
  void add(const StepMetrics& metrics, const Batch& batch, int64_t step, double wait_ms);

  /// Writes a line with the means since the last one, how many steps of the run were skipped, the
  /// sizes of tables and bank, and the most memory that the process has had so far.
  void write_interval(int64_t step, double learning_rate, int64_t skipped_steps,
                      const ModelState& state);

  /// How far the bank told documents apart when the last line was written; nothing without one.
  const std::optional<RepresentationHealth>& health() const { return health_; }

  /// Prints a line for people, above the progress bar; nothing without progress.
  void note(const std::string& line);

  /// Writes a line of an evaluation on "valid"; `document_seen` are the metrics of its buckets,
  /// `deciles` what the bank holds; empty: there is none.
  void write_evaluation(int64_t step, const Evaluation& evaluation,
                        const nlohmann::ordered_json& document_seen,
                        std::span<const BankDecile> deciles);

 private:
  using Clock = std::chrono::steady_clock;
  struct Mean {
    double sum = 0, weight = 0;
  };
  void mean(const std::string& name, double value, double weight = 1);
  void write(int64_t step, const nlohmann::ordered_json& values);

  RunLogOptions options_;
  TensorBoardWriter tensorboard_;
  WindowAuc window_auc_;
  std::optional<double> last_auc_;
  std::optional<RepresentationHealth> health_;
  std::unique_ptr<Progress> progress_;
  std::vector<std::pair<std::string, Mean>> means_;  // of the interval, in order of first use
  int64_t samples_ = 0;
  Clock::time_point interval_start_ = Clock::now();
};

}  // namespace lemur
