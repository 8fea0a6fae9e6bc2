// Counters: how often a key was shown and how often its label came true, as a request may know it.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lemur/features/schema.h"

namespace lemur {

/// Hash of one column's value in a counter's key; a missing value is a value of its own.
uint64_t counter_part(std::optional<std::string_view> value);
/// Key of a counter: of the parts of its columns, in order; 63 bits.
uint64_t counter_key(std::span<const uint64_t> parts);

/// Impressions and positives of a key, and of all keys together, within the window.
struct CounterState {
  uint64_t count = 0, positives = 0;  ///< of the key
  uint64_t count_of_all = 0, positives_of_all = 0;
};

/// The two features' raw values, before NumberScale.
struct CounterValues {
  double rate;   ///< (positives + smoothing * prior) / (count + smoothing) with prior =
                 ///< (positives_of_all + 1) / (count_of_all + 2); NaN where count + smoothing = 0
  double count;  ///< log(1 + count)
};
CounterValues counter_values(const CounterState& state, double smoothing);

/// One counter's events, by key and time: answers for a request at any time, and takes new events.
/// Any thread.
class CounterIndex {
 public:
  explicit CounterIndex(const StoreSchema::Counter& counter) : counter_(counter) {}

  /// Takes the events that the counter counts, in any order: parallel arrays. Replaces what there
  /// is.
  void build(std::vector<uint64_t> keys, std::vector<int64_t> times, std::vector<uint8_t> labels);
  /// Adds one event.
  void add(uint64_t key, int64_t time_ms, bool label);

  /// Returns what a request at `request_time_ms` knows of `key`: events that known_before() admits
  /// within the window.
  CounterState find(uint64_t key, int64_t request_time_ms) const;

 private:
  /// Events in order of time with running sums: positives[i] of the first i + 1.
  struct Series {
    std::vector<int64_t> times;
    std::vector<uint32_t> positives;
    void add(int64_t time, bool label);
  };
  struct Sums {
    uint64_t count, positives;
  };
  static Sums before(std::span<const int64_t> times, std::span<const uint32_t> positives,
                     int64_t end);

  StoreSchema::Counter counter_;
  // As built: events sorted by (key, time), and all of them by time.
  std::vector<uint64_t> keys_, offsets_;
  Series by_key_, all_;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<uint64_t, Series> added_;
  Series added_all_;
};

}  // namespace lemur
