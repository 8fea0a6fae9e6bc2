// The workload that training steps are measured on (docs/performance.md), drawn at random: batches
// of 512 impressions, documents of four texts with about 112 tokens together, shown so unevenly
// that about half of a batch's documents are distinct, histories of 1000 documents, a vocabulary of
// 30,000, eight ID features, encoders of 4 and 2 layers of width 128, RankMixer with 16 tokens of
// width 128 in 2 layers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "lemur/base/testing.h"
#include "lemur/data/batch_loader.h"
#include "lemur/model/model_state.h"
#include "lemur/train/dense_optimizer.h"
#include "lemur/train/train_step.h"

namespace lemur {

struct StepWorkload {
  int64_t batch = 512, batches = 24;
  int64_t history = 1000;      ///< documents of each sample's history
  double document_length = 1;  ///< factor on the lengths of the texts
  int64_t vocabulary = 30000;
  int64_t documents = 20000;                     ///< all of them in the bank
  int64_t users = 1000;                          ///< each with a history of its own
  double share = 1;                              ///< p = q
  std::function<void(Options&)> configure = {};  ///< changes the options; may be empty
};

/// The workload in a store of its own, a model, and its steps.
class StepBench {
 public:
  explicit StepBench(const StepWorkload& workload);

  /// Trains on the next batch; begins anew after the last one.
  StepMetrics step();

  const Options& options() const { return state_->options; }
  const SampleStore& store() const { return *store_; }
  ModelState& state() { return *state_; }
  const std::vector<Batch>& batches() const { return batches_; }

  /// FLOPs of a step that encodes so many documents of so many tokens and that no implementation
  /// can leave out: encoders, ranker, and each sample's own history in cosines and decoders;
  /// forward and backward.
  double useful_flops(double encoded, double tokens) const;

  int64_t num_parameters() const { return optimizer_->num_parameters(); }

  /// Bytes of what the model holds: dense weights with their moments, tables, bank.
  int64_t model_bytes() const;

 private:
  StepWorkload workload_;
  TemporaryFolder folder_;
  std::unique_ptr<SampleStore> store_;
  std::unique_ptr<ModelState> state_;
  std::unique_ptr<DenseOptimizer> optimizer_;
  std::unique_ptr<TrainStep> train_step_;
  std::vector<Batch> batches_;
  int64_t steps_ = 0;
};

}  // namespace lemur
