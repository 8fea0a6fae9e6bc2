// Point-in-time counters: what was known of a key before each event.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lemur/data/ingest_context.h"
#include "lemur/data/number_file.h"

namespace lemur {

/// One [[data.counter]]. While events are written, in the order of the store, it takes down time,
/// key and label of each on disk; then it passes over them by time. An event sees those events of
/// its key that are more than `delay_seconds` and at most `window_days` older: at least a
/// millisecond older, so that events of one time see nothing of each other, nor of themselves.
/// Memory grows with the number of distinct keys that a window holds, not with events.
class CounterPass {
 public:
  /// `label`: index of the counted label. Throws InvalidArgument for a window within the delay and
  /// for a split that the schema lacks.
  CounterPass(const IngestContext& context, size_t index);

  /// Appends the next event in the order of the store.
  void append(int64_t time, uint64_t key, bool label);

  /// Writes both features of the events and adds them to the schema: the rate, smoothed towards the
  /// rate of all keys so far, (clicks + smoothing * prior) / (count + smoothing), and the logarithm
  /// of 1 + count. Without smoothing the rate of a key that was never seen is missing.
  void write_features(IngestContext& context);

  size_t label() const { return label_; }

 private:
  struct Event {
    int64_t time;
    uint64_t key_and_label;  // key << 1 | label
  };
  static_assert(sizeof(Event) == 16);
  class Timeline;
  void pass(const IngestContext& context, const std::vector<std::filesystem::path>& rates,
            const std::vector<std::filesystem::path>& counts);
  void write_feature(IngestContext& context, const char* kind,
                     const std::vector<std::filesystem::path>& raw) const;

  const CounterOptions& options_;
  std::filesystem::path path_;
  ColumnFile events_;
  std::vector<size_t> splits_;  // counted splits, indices in the schema
  size_t label_;
  int64_t delay_ms_, window_ms_;
  size_t most_keys_ = 0;
};

}  // namespace lemur
