#include "lemur/features/counter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "lemur/base/hash.h"
#include "lemur/features/known.h"

namespace lemur {

uint64_t counter_part(std::optional<std::string_view> value) {
  // Of another length than any text's hash has to hide: a missing value meets no text.
  constexpr uint64_t kMissing = 0x6d697373696e6721ULL;
  return value ? hash_bytes(*value) : kMissing;
}

uint64_t counter_key(std::span<const uint64_t> parts) {
  uint64_t key = parts.size();
  for (uint64_t part : parts) key = hash_combine(key, part);
  return key >> 1;
}

CounterValues counter_values(const CounterState& state, double smoothing) {
  const double prior = (static_cast<double>(state.positives_of_all) + 1) /
                       (static_cast<double>(state.count_of_all) + 2);
  const auto count = static_cast<double>(state.count);
  return {.rate = (static_cast<double>(state.positives) + smoothing * prior) / (count + smoothing),
          .count = std::log1p(count)};
}

void CounterIndex::Series::add(int64_t time, bool label) {
  const auto place = std::upper_bound(times.begin(), times.end(), time) - times.begin();
  const uint32_t before = place == 0 ? 0 : positives[static_cast<size_t>(place) - 1];
  times.insert(times.begin() + place, time);
  positives.insert(positives.begin() + place, before);
  for (size_t i = static_cast<size_t>(place); i < positives.size(); ++i) positives[i] += label;
}

void CounterIndex::build(std::vector<uint64_t> keys, std::vector<int64_t> times,
                         std::vector<uint8_t> labels) {
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto append = [&](Series& series, size_t event, bool starts) {
    const uint32_t before = starts ? 0 : series.positives.back();
    series.times.push_back(times[event]);
    series.positives.push_back(before + (labels[event] != 0));
  };
  std::ranges::stable_sort(order, {}, [&](size_t i) { return times[i]; });
  all_ = {};
  for (size_t event : order) append(all_, event, all_.times.empty());
  std::ranges::stable_sort(order, {}, [&](size_t i) { return keys[i]; });
  keys_.clear(), offsets_.clear(), by_key_ = {};
  for (size_t event : order) {
    const bool starts = keys_.empty() || keys_.back() != keys[event];
    if (starts) keys_.push_back(keys[event]), offsets_.push_back(by_key_.times.size());
    append(by_key_, event, starts);
  }
  offsets_.push_back(by_key_.times.size());
}

void CounterIndex::add(uint64_t key, int64_t time_ms, bool label) {
  std::lock_guard lock(mutex_);
  added_[key].add(time_ms, label);
  added_all_.add(time_ms, label);
}

CounterIndex::Sums CounterIndex::before(std::span<const int64_t> times,
                                        std::span<const uint32_t> positives, int64_t end) {
  const auto count =
      static_cast<size_t>(std::lower_bound(times.begin(), times.end(), end) - times.begin());
  return {count, count == 0 ? 0 : positives[count - 1]};
}

CounterState CounterIndex::find(uint64_t key, int64_t request_time_ms) const {
  const int64_t end = known_before(request_time_ms, counter_.delay_ms);
  const int64_t begin = window_begin(request_time_ms, counter_.window_ms);
  const auto within = [&](std::span<const int64_t> times, std::span<const uint32_t> positives) {
    const Sums until = before(times, positives, end), old = before(times, positives, begin);
    return Sums{until.count - old.count, until.positives - old.positives};
  };
  const auto series = [&](const Series& of) { return within(of.times, of.positives); };
  Sums own{0, 0}, all = series(all_);
  if (const auto found = std::ranges::lower_bound(keys_, key);
      found != keys_.end() && *found == key) {
    const auto place = static_cast<size_t>(found - keys_.begin());
    const size_t first = offsets_[place], size = offsets_[place + 1] - first;
    own = within(std::span(by_key_.times).subspan(first, size),
                 std::span(by_key_.positives).subspan(first, size));
  }
  std::lock_guard lock(mutex_);
  const Sums all_added = series(added_all_);
  all = {all.count + all_added.count, all.positives + all_added.positives};
  if (const auto found = added_.find(key); found != added_.end()) {
    const Sums added = series(found->second);
    own = {own.count + added.count, own.positives + added.positives};
  }
  return {own.count, own.positives, all.count, all.positives};
}

}  // namespace lemur
