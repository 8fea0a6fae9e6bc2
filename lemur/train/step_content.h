// A training step's work on contents (model.md 4): draws which documents run the encoder, encodes
// them, writes and reads the bank, and carries gradients back into the encoders.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/model/document_bank.h"
#include "lemur/model/input_builder.h"
#include "lemur/model/model_state.h"
#include "lemur/train/expected_refresh.h"
#include "lemur/train/step_metrics.h"
#include "lemur/train/step_plan.h"

namespace lemur {

/// Representations of a batch's distinct documents and queries.
struct BatchContent {
  torch::Tensor documents;      ///< [I, r]; undefined without content
  torch::Tensor queries;        ///< [J, r]; undefined in feeds
  std::vector<uint32_t> graph;  ///< documents, by their place, that carry a gradient; ascending
  int64_t encoded = 0;          ///< documents that ran the encoder
  torch::Tensor owed;           ///< [|graph|, r]: gradients that waited for these documents
};

/// Works on one store and model, which must outlive it. A step is: begin, encode, refresh_expected,
/// (refresh_histories, read_histories) per part of the batch, backward where the parts are smaller
/// than the batch, then commit or undo. Not thread-safe.
class StepContent {
 public:
  StepContent(const SampleStore& store, ModelState& state);

  /// What follows can be undone until the next `begin`.
  void begin() { documents_.begin_step(); }

  /// Encodes the batch's documents that the draw takes, and its queries, into `content`, and writes
  /// the bank. `part_size` 0: with the encoders' graph. Else as leaves, whose gradients `backward`
  /// carries into the encoders: no more than that many texts are encoded at a time, so that the
  /// memory of the encoders is that of a part. Throws UnstorableVector where a representation is no
  /// finite float16.
  void encode(const Batch& batch, int64_t step, size_t part_size, StepMetrics& metrics,
              BatchContent& content);

  /// Where bank.refresh is "expected": encodes documents of all training within
  /// bank.refresh_budget times `encoded`, no more than `part_size` at a time; 0: all at once.
  void refresh_expected(int64_t encoded, int64_t step, size_t part_size, StepMetrics& metrics);

  /// Where bank.refresh is "oldest": encodes documents of histories within bank.refresh_budget
  /// times `encoded`.
  void refresh_histories(std::span<const uint32_t> documents, double encoded, int64_t step,
                         StepMetrics& metrics);

  /// Reads the histories' distinct documents, with the targets' gradients where
  /// bank.history_gradient asks for them.
  StoredContent read_histories(std::span<const uint32_t> documents, const Batch& batch,
                               const BatchContent& content) const;

  /// Loss whose gradient is what waited for the documents that were encoded; undefined: none.
  torch::Tensor owed_loss(const BatchContent& content) const;

  /// Encodes again, with a graph and in parts, what the leaves' gradients belong to.
  void backward(const Batch& batch, const BatchContent& content, int64_t step, size_t part_size);

  /// Whether gradients that wait for later steps are fit to be kept.
  bool waiting_is_finite(const BatchContent& content, int64_t step) const;

  /// Keeps the gradients of documents that were not encoded with one, for a later step.
  void commit(const Batch& batch, const BatchContent& content, int64_t step);

  /// Makes bank and waiting gradients what they were at `begin`.
  void undo(const Batch& batch, const BatchContent& content);

  /// Notes the ages of the distinct documents that were read.
  void measure_ages(std::span<const uint32_t> documents, int64_t step, StepMetrics& metrics) const;

  bool encoders_frozen(int64_t step) const;

 private:
  void measure_targets(const Batch& batch, StepMetrics& metrics) const;
  StepPlan plan(const Batch& batch, int64_t step) const;
  torch::Tensor represent(std::span<const uint32_t> documents, int64_t step, int64_t& tokens) const;
  torch::Tensor represent_queries(std::span<const uint32_t> queries) const;
  torch::Tensor encode_documents(std::span<const uint32_t> documents, int64_t step,
                                 StepMetrics& metrics);
  void encode_targets(const Batch& batch, int64_t step, size_t part_size, StepMetrics& metrics,
                      BatchContent& content);
  int64_t refresh_budget(double encoded) const;
  void encode_refreshed(std::span<const uint32_t> documents, int64_t step, size_t part_size,
                        StepMetrics& metrics);
  bool defers_gradients(int64_t step) const;
  void measure_staleness(std::span<const uint32_t> documents, const torch::Tensor& vectors,
                         int64_t step, StepMetrics& metrics) const;
  std::vector<int64_t> last_steps(std::span<const uint32_t> documents) const;

  const SampleStore& store_;
  ModelState& state_;
  MemoryBank no_bank_;
  DocumentBank documents_;
  std::optional<ExpectedRefresh> expected_;  // made when it is first needed
};

}  // namespace lemur
