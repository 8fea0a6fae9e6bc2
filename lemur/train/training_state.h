// What a checkpoint holds beyond the model: position, optimiser, random numbers, best result so
// far.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "lemur/data/batch.h"
#include "lemur/model/model_state.h"
#include "lemur/simd/flops.h"
#include "lemur/train/dense_optimizer.h"

namespace lemur {

struct TrainingState {
  int64_t step = 0;            ///< steps done
  LoaderPosition position;     ///< next batch
  std::optional<double> best;  ///< best value of the metric on "valid"
  int64_t best_step = 0;
  int64_t evaluations_without_gain = 0;
  Flops flops{};                ///< executed by all steps, see counted_flops
  int64_t skipped = 0;          ///< of the steps, those that were not applied
  bool evaluation_due = false;  ///< the checkpoint was written before the step's evaluation
  bool finished = false;        ///< the run came to its own end
  bool bank_filled = false;  ///< the bank holds every document of the store, as of this checkpoint
};

/// Publishes a complete checkpoint folder: model (averaged weights where they are averaged),
/// optimizer.safetensors (live weights, moments, generator), gradients.rows (the pending ones,
/// where there are any) and the state.
void save_checkpoint(const std::filesystem::path& folder, const TrainingState& state,
                     ModelState& model, DenseOptimizer& optimizer);

/// Restores everything that save_checkpoint wrote.
TrainingState load_checkpoint(const std::filesystem::path& folder, ModelState& model,
                              DenseOptimizer& optimizer);

}  // namespace lemur
