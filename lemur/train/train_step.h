// One training step, in the order of model.md 4: draw, encode, write the bank, gather histories,
// rank, backward, update.
#pragma once

#include <cstdint>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/model/input_builder.h"
#include "lemur/model/model_state.h"
#include "lemur/train/dense_optimizer.h"
#include "lemur/train/step_content.h"
#include "lemur/train/step_metrics.h"

namespace lemur {

/// Runs steps on one store, model and optimiser, which must outlive it. Not thread-safe.
class TrainStep {
 public:
  /// Throws InvalidArgument where train.micro_batch_size is asked for with model.encoder_dropout:
  /// what is encoded twice must come out the same.
  TrainStep(const SampleStore& store, ModelState& state, DenseOptimizer& optimizer);

  /// Trains on one batch as step number `step` (from 1). `rate` scales all learning rates. A batch
  /// without samples changes nothing. With train.micro_batch_size the batch passes in parts whose
  /// gradients are added up; SQDC is that of the whole batch all the same, and each document is
  /// drawn once. A step whose loss, gradient or representations are no finite numbers changes
  /// neither weights, tables nor bank: StepMetrics::fault says why.
  StepMetrics run(const Batch& batch, int64_t step, double rate);

 private:
  /// A batch, or a part of it from sample `begin` on.
  struct Part {
    const Batch& batch;
    size_t begin = 0;
    LossShares shares = {};
  };
  /// What the parts of a batch leave to the end of the step.
  struct Passed {
    BatchContent content;
    std::vector<EmbeddedFeatures> features;     ///< per part
    std::vector<torch::Tensor> anchors, masks;  ///< per part: of SQDC
    std::vector<uint32_t> history_documents;    ///< read, distinct within a part
    std::vector<int64_t> elements, missing;     ///< per history
  };
  void pass_batch(const Batch& batch, int64_t step, StepMetrics& metrics, Passed& passed);
  void pass(const Batch& batch, const Part& part, int64_t step, StepMetrics& metrics,
            Passed& passed);
  void place_content(const Batch& batch, const Part& part, const BatchContent& content,
                     RankingInput& input) const;
  void finish_parts(const Batch& batch, int64_t step, StepMetrics& metrics, Passed& passed);
  torch::Tensor alignment_of_batch(const Batch& batch, const Passed& passed) const;
  void add_backward(const torch::Tensor& loss, StepMetrics& metrics) const;
  void note_histories(BuiltInput& built, Passed& passed) const;
  void check_gradients(const Passed& passed, int64_t step, StepMetrics& metrics);
  void update(const Batch& batch, const Passed& passed, int64_t step, double rate);
  void measure_histories(Passed& passed, int64_t step, StepMetrics& metrics) const;
  size_t part_size(const Batch& batch) const;
  bool counts_flops() const;

  const SampleStore& store_;
  ModelState& state_;
  DenseOptimizer& optimizer_;
  InputBuilder builder_;
  StepContent content_;
};

}  // namespace lemur
