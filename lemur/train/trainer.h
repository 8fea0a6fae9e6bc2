// A training run: steps, evaluations, checkpoints, resuming.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "lemur/base/options.h"
#include "lemur/data/sample_store.h"

namespace lemur {

struct TrainerOptions {
  std::filesystem::path run;   ///< folder of the run
  std::filesystem::path base;  ///< folder that relative paths of the configuration refer to
  bool resume =
      false;  ///< go on from the newest complete checkpoint; false: the folder must hold no run
  const std::atomic<bool>* stop = nullptr;  ///< set by a signal: checkpoint and return; may be null
  std::function<void(const std::string&)>
      report;  ///< gets lines for people (evaluations, skipped checkpoints, warnings); may be empty
  bool show_progress = true;
};

struct TrainingResult {
  int64_t steps = 0;
  int64_t skipped = 0;  ///< of the run's steps, those that were not applied
  bool interrupted = false;
  std::optional<int64_t> best_step;
  std::optional<double> best_metric;  ///< of options.train.metric on "valid"
};

/// Trains until the options' epochs, max_steps or patience end it, or `stop` is set. A resumed run
/// ends bit-identical to an uninterrupted one on the same machine; a finished one goes on where the
/// options ask for more. Throws InvalidArgument when the run folder's state and `resume` do not
/// fit, or naming the keys that cannot change in a run that goes on; DataError when the data is
/// bad, more steps than train.max_skipped_share have no finite loss or gradient, the folder cannot
/// be written, or another process trains there.
TrainingResult train(const Options& options, const SampleStore& store,
                     const TrainerOptions& trainer_options);

/// Learning rate factor at `step` (from 1) of `total` steps: linear warm-up, then constant or
/// cosine to zero.
double schedule_factor(const TrainOptions& options, int64_t step, int64_t total);

/// Share of the ranking loss's gradient that reaches the encoders at `step` (from 1) of `total`
/// steps: 0 in the first train.encoder_gradient_after of them, then train.encoder_gradient.
double encoder_gradient_share(const TrainOptions& options, int64_t step, int64_t total);

}  // namespace lemur
