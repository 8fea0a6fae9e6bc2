// One training step, in the order of model.md 4: draw, encode, write the bank, gather histories,
// rank, backward, update.
#pragma once

#include <cstdint>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/model/document_bank.h"
#include "lemur/model/input_builder.h"
#include "lemur/model/model_state.h"
#include "lemur/simd/flops.h"
#include "lemur/train/dense_optimizer.h"
#include "lemur/train/step_plan.h"

namespace lemur {

/// Milliseconds that the parts of a step took.
struct StepTimes {
  double encode = 0;    ///< packing and encoding documents and queries, writing the bank
  double input = 0;     ///< features and histories: look-ups in tables and bank
  double rank = 0;      ///< decoders, similarity, ranker and losses
  double backward = 0;  ///< all gradients
  double update = 0;    ///< admission to the tables, clipping, dense weights, tables
};

/// What one step measured.
struct StepMetrics {
  double loss = 0, cross_entropy = 0, alignment = 0, content_id = 0, gradient_norm = 0;
  int64_t documents = 0;              ///< I, distinct target documents
  int64_t encoded = 0, backward = 0;  ///< |F|, |G|
  int64_t refreshed = 0;              ///< documents of histories encoded beyond the targets
  int64_t tokens = 0;                 ///< document tokens encoded
  double target_coverage = 1;  ///< share of distinct targets present before the step's writes
  std::vector<double> history_coverage;  ///< per history: share of its elements with a
                                         ///< representation (1 for no elements)
  double staleness = 0;    ///< mean cosine of new and stored vectors of the re-encoded documents
  int64_t re_encoded = 0;  ///< how many that mean is over
  double age_mean = 0, age_median = 0, age_p90 = 0,
         age_max = 0;          ///< steps since the last write, of the distinct vectors read
  std::vector<float> scores;   ///< [B] probabilities of the main task
  Flops flops{};               ///< executed by the step, see counted_flops; zeros where LibTorch
                               ///< computes the encoders: on a GPU, with dropout, pretrained
  int64_t flops_backward = 0;  ///< those of them in the backward pass
  StepTimes times;
};

/// Runs steps on one store, model and optimiser, which must outlive it. Not thread-safe.
class TrainStep {
 public:
  TrainStep(const SampleStore& store, ModelState& state, DenseOptimizer& optimizer);

  /// Trains on one batch as step number `step` (from 1). `rate` scales all learning rates. With
  /// train.micro_batch_size the batch passes in parts whose gradients are added up; each part sees
  /// its own samples as negatives of SQDC. Throws DataError when the loss is not finite, before any
  /// update.
  StepMetrics run(const Batch& batch, int64_t step, double rate);

 private:
  /// Representations of a batch's distinct documents.
  struct Targets {
    torch::Tensor vectors;        ///< [I, r]; keeps its gradient where some of it is deferred
    std::vector<uint32_t> graph;  ///< those that carry a gradient, ascending
    int64_t encoded = 0;
    torch::Tensor owed;  ///< scalar whose gradient is what waited for `graph`; undefined: nothing
  };
  /// What the parts of a batch leave to the end of the step.
  struct Passed {
    std::vector<EmbeddedFeatures> features;   ///< per part
    std::vector<uint32_t> history_documents;  ///< read, distinct within a part
    std::vector<int64_t> elements, missing;   ///< per history
  };
  void pass(const Batch& part, const LossShares& shares, int64_t step, StepMetrics& metrics,
            Passed& passed);
  void measure_targets(const Batch& batch, StepMetrics& metrics) const;
  StepPlan plan(const Batch& batch, int64_t step) const;
  torch::Tensor encode(std::span<const uint32_t> documents, int64_t step, StepMetrics& metrics);
  bool encoders_frozen(int64_t step) const;
  bool defers_gradients(int64_t step) const;
  Targets encode_targets(const Batch& batch, int64_t step, StepMetrics& metrics);
  void defer_gradients(const Batch& batch, const Targets& targets);
  void refresh(std::span<const uint32_t> documents, int64_t encoded, int64_t step,
               StepMetrics& metrics);
  StoredContent read_histories(std::span<const uint32_t> documents, const Batch& batch,
                               const Targets& targets) const;
  void measure_staleness(std::span<const uint32_t> documents, const torch::Tensor& vectors,
                         int64_t step, StepMetrics& metrics) const;
  std::vector<int64_t> last_steps(std::span<const uint32_t> documents) const;
  void measure_ages(std::span<const uint32_t> documents, int64_t step, StepMetrics& metrics) const;

  bool counts_flops() const;

  const SampleStore& store_;
  ModelState& state_;
  DenseOptimizer& optimizer_;
  InputBuilder builder_;
  MemoryBank no_bank_;
  DocumentBank documents_;
};

}  // namespace lemur
