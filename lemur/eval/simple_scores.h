// What ranks an impression without a model: popularity, what was clicked together, BM25.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "lemur/data/sample_store.h"

namespace lemur {

/// Click rates of documents in the split "train", drawn to that of all as by ten impressions of it.
class Popularity {
 public:
  explicit Popularity(const SampleStore& store);

  double operator()(uint32_t document) const { return rates_[document]; }

  /// Returns what the rate of the document of an event of train was before the event: what is
  /// fitted on train may not see the event's own label in it.
  double before(uint64_t event) const { return before_[event - begin_]; }

 private:
  std::vector<double> rates_;
  std::vector<float> before_;  // [events of train]
  uint64_t begin_ = 0;         // of train
};

/// Which clicks of train had which documents among the newest 20 of their first history: sum over
/// those of an event of c(d, h) / sqrt((n(d) + 1) (n(h) + 1)). Of train the newest two million
/// clicks count. Requires a history; the store must outlive it.
class ItemItem {
 public:
  explicit ItemItem(const SampleStore& store);

  double score(uint64_t event) const;

  /// Returns the score of an event of train by the clicks before it.
  double before(uint64_t event) const { return before_[event - begin_]; }

 private:
  template <typename Visit>
  void for_each_newest(uint64_t event, const Visit& visit) const;

  const SampleStore& store_;
  std::vector<uint32_t> clicks_;
  std::unordered_map<uint64_t, uint32_t> together_;
  std::vector<float> before_;  // [events of train]
  uint64_t begin_ = 0;         // of train
};

/// BM25 of all text fields of the first match; rows of one query should come together. Requires a
/// match; the store must outlive it. Not thread-safe.
class QueryMatch {
 public:
  explicit QueryMatch(const SampleStore& store);

  /// Returns 0 for an event without a query, or whose query has no word.
  double score(uint64_t event);

 private:
  const SampleStore& store_;
  TextMatcher::Query query_;
  std::vector<double> raw_;
  std::vector<std::span<const int32_t>> texts_;
  size_t place_ = 0;
  uint32_t prepared_ = kNone;
};

}  // namespace lemur
