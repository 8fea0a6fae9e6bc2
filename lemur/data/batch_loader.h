// Delivers batches of a split in a fixed order, made ahead by worker threads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lemur/data/batch.h"

namespace lemur {

/// What is delivered, and how it is made.
struct LoaderOptions {
  std::string split = "train";
  int64_t batch_size = 256;  ///< the last batch of an epoch may be smaller
  /// Leaves impressions of weight 0 out of the batches, which are smaller then, or empty: what
  /// training reads.
  bool only_weighted = false;
  enum class Order {
    kTime,
    kWindow,    ///< shuffled inside windows, differently in each epoch
    kRequests,  ///< whole requests, shuffled likewise, of which some impressions are drawn
                ///< (RequestDraw): as many requests as have `batch_size` of these on average; none
                ///< of weight 0
  } order = Order::kTime;
  int64_t negatives_per_request = 0;  ///< of kRequests: unclicked impressions drawn; 0: all
  int64_t window = 100000;            ///< events of a shuffle window
  int64_t epochs = 1;
  uint64_t seed = 1;
  LoaderPosition start = {};  ///< first batch to deliver
  int64_t threads = 1;        ///< performance only: batches and their order do not depend on it
  int64_t ahead = 4;          ///< batches made ahead; at least one per thread
};

/// Iterates over a split, which `store` must outlive. `next` is for one thread; workers stop with
/// the object. The batches from a start position on are the very ones that an uninterrupted pass
/// gives there: batch b of epoch e depends only on the store, the split, `batch_size`, the order
/// and, when shuffled, `window` and `seed`. An empty split has no batches.
class BatchLoader {
 public:
  /// Throws InvalidArgument for an unknown split, a count below its minimum, or a start that lies
  /// beyond the batches of an epoch.
  BatchLoader(const SampleStore& store, const LoaderOptions& options);
  ~BatchLoader();

  /// Returns the next batch, or nothing after the last epoch. Rethrows what a worker threw, in the
  /// place of the batch that it was making and in every later call.
  std::optional<Batch> next();

  /// Returns the number of batches of one epoch, the last one included.
  int64_t batches_per_epoch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
