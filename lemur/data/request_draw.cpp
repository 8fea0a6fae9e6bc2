#include "lemur/data/request_draw.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "lemur/base/hash.h"
#include "lemur/data/shuffle.h"

namespace lemur {
namespace {

constexpr double kFewestOfRequest = 2;  // impressions, on average

/// Returns the group of each event, groups numbered in order of first appearance.
std::vector<uint64_t> number_requests(const SampleStore& store,
                                      const std::vector<uint64_t>& events) {
  std::unordered_map<uint64_t, uint64_t> numbers;
  std::vector<uint64_t> group_of;
  group_of.reserve(events.size());
  for (uint64_t event : events)
    group_of.push_back(numbers.try_emplace(store.requests()[event], numbers.size()).first->second);
  return group_of;
}

/// Returns begin of each group, [number of groups + 1].
std::vector<uint64_t> offsets_of(const std::vector<uint64_t>& group_of) {
  const uint64_t count = group_of.empty() ? 0 : *std::ranges::max_element(group_of) + 1;
  std::vector<uint64_t> offsets(count + 1);
  for (uint64_t group : group_of) ++offsets[group + 1];
  for (uint64_t group = 0; group < count; ++group) offsets[group + 1] += offsets[group];
  return offsets;
}

/// Neighbours of one group where requests are single impressions.
uint64_t block_size(uint64_t events, uint64_t clicks, int64_t negatives) {
  if (negatives == 0 || clicks == 0) return 1;
  const double per_click = static_cast<double>(events) / static_cast<double>(clicks);
  return per_click <= static_cast<double>(negatives + 1)
             ? 1
             : static_cast<uint64_t>(std::ceil(per_click));
}

}  // namespace

RequestDraw::RequestDraw(const SampleStore& store, const StoreSchema::Split& split,
                         int64_t negatives, uint64_t seed)
    : store_(store), negatives_(negatives), seed_(seed) {
  std::vector<uint64_t> events;
  uint64_t all_clicks = 0;
  for (uint64_t event = split.begin; event < split.end; ++event)
    if (store.weights()[event] != 0)
      events.push_back(event), all_clicks += store.labels(0)[event] != 0;
  std::vector<uint64_t> group_of = number_requests(store, events);
  offsets_ = offsets_of(group_of);
  if (static_cast<double>(events.size()) < kFewestOfRequest * static_cast<double>(num_groups())) {
    const uint64_t size = block_size(events.size(), all_clicks, negatives);
    for (uint64_t i = 0; i < group_of.size(); ++i) group_of[i] = i / size;
    offsets_ = offsets_of(group_of);
  }
  events_.resize(events.size());
  std::vector<uint64_t> next(offsets_.begin(), offsets_.end() - 1);
  for (uint64_t i = 0; i < events.size(); ++i) events_[next[group_of[i]]++] = events[i];
  for (uint64_t group = 0; group < num_groups(); ++group) {
    const uint64_t size = offsets_[group + 1] - offsets_[group], clicked = clicks(group);
    num_drawn_ += static_cast<double>(clicked) + share(size) * static_cast<double>(size - clicked);
  }
}

double RequestDraw::share(uint64_t size) const {
  return negatives_ == 0 || size < 2
             ? 1
             : std::min(1.0, static_cast<double>(negatives_) / static_cast<double>(size - 1));
}

uint64_t RequestDraw::clicks(uint64_t group) const {
  uint64_t count = 0;
  for (uint64_t i = offsets_[group]; i < offsets_[group + 1]; ++i)
    count += store_.labels(0)[events_[i]] != 0;
  return count;
}

void RequestDraw::append(uint64_t group, int64_t epoch, std::vector<uint64_t>& events,
                         std::vector<float>& log_odds_shift) const {
  const uint64_t size = offsets_[group + 1] - offsets_[group], unclicked = size - clicks(group);
  const double s = share(size);
  const auto shift = static_cast<float>(-std::log(s));
  const uint64_t key = hash_combine(seed_, static_cast<uint64_t>(epoch));
  auto drawn = static_cast<uint64_t>(s * static_cast<double>(unclicked) +
                                     hash_uniform(key, 4, events_[offsets_[group]]));
  drawn = std::min(drawn, unclicked);
  const uint64_t order = hash_combine(key, events_[offsets_[group]]);
  for (uint64_t i = offsets_[group], at = 0; i < offsets_[group + 1]; ++i) {
    const bool clicked = store_.labels(0)[events_[i]] != 0;
    if (!clicked && permuted(order, unclicked, at++) >= drawn) continue;
    events.push_back(events_[i]);
    log_odds_shift.push_back(shift);
  }
}

}  // namespace lemur
