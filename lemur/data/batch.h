// A batch of impressions: columns and views into the sample store, no object per sample.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lemur/data/sample_store.h"

namespace lemur {

/// Position in a pass over the training split: what a checkpoint needs to go on from the next
/// batch.
struct LoaderPosition {
  int64_t epoch = 0;
  int64_t batch = 0;  ///< batches of this epoch already delivered
};

/// B impressions of a split. Histories are views into the store, which must outlive the batch.
struct Batch {
  int64_t epoch = 0;                  ///< pass over the split that it belongs to
  LoaderPosition next;                ///< where the loader stands after this batch
  std::vector<uint64_t> events;       ///< [B] event indices
  std::vector<uint32_t> users;        ///< [B]
  std::vector<int64_t> times;         ///< [B] of their requests, milliseconds
  std::vector<uint64_t> requests;     ///< [B]
  std::vector<float> weights;         ///< [B]
  std::vector<float> labels;          ///< [B, num_labels]
  std::vector<float> log_odds_shift;  ///< [B]: how far drawing among the unclicked raised the log
                                      ///< odds of the first label; empty: all were taken

  std::vector<uint32_t>
      documents;  ///< [I] distinct target documents, in order of increasing token count, then index
  std::vector<uint32_t> document_of;  ///< [B] index into `documents`
  std::vector<uint32_t>
      queries;  ///< [J] distinct queries, likewise ordered; empty in feeds (kNone never appears)
  std::vector<int32_t> query_of;  ///< [B] index into `queries`, -1: none

  /// Per feature of the schema, in its order; the one that does not apply is empty.
  struct Feature {
    std::vector<uint64_t> offsets;  ///< [B + 1] of a category
    std::vector<uint64_t> keys;     ///< items of a category
    std::vector<float> numbers;     ///< [B] of a number
  };
  std::vector<Feature> features;

  struct History {
    std::vector<HistoryView> views;  ///< [B] slices, oldest first
    std::vector<uint64_t> offsets;   ///< [B + 1] running sum of their sizes
  };
  std::vector<History> histories;  ///< per history of the schema

  size_t size() const { return events.size(); }
};

/// Returns the batch of these events of the store, in their order; `epoch` and `next` stay 0. Any
/// thread. Throws InvalidArgument for an event that the store lacks, DataError for an event that
/// names a document, user or query that the store lacks.
Batch make_batch(const SampleStore& store, std::span<const uint64_t> events);

}  // namespace lemur
