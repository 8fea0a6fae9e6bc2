// Delivers batches of a split in a fixed order, made ahead by worker threads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lemur/data/batch.h"

namespace lemur {

struct LoaderOptions {
  std::string split = "train";
  int64_t batch_size = 256;   ///< the last batch of an epoch may be smaller
  bool shuffle = false;       ///< false: time order; true: shuffled inside windows, differently in each epoch
  int64_t window = 100000;    ///< events of a shuffle window
  int64_t epochs = 1;
  uint64_t seed = 1;
  LoaderPosition start;       ///< first batch to deliver
  int64_t threads = 1;        ///< performance only: batches and their order do not depend on it
  int64_t ahead = 4;          ///< batches made ahead
};

/// Iterates over a split. `next` is for one thread; workers stop with the object.
class BatchLoader {
 public:
  BatchLoader(const SampleStore& store, const LoaderOptions& options);
  ~BatchLoader();

  /// Returns the next batch, or nothing after the last epoch. Rethrows what a worker threw.
  std::optional<Batch> next();

  int64_t batches_per_epoch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
