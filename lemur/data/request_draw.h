// Which impressions of a request a training step reads: the clicked, and some of the others
// (model.md 4).
#pragma once

#include <cstdint>
#include <vector>

#include "lemur/data/sample_store.h"

namespace lemur {

/// The impressions of a split with a weight, grouped by request in order of first appearance, and
/// what is drawn of each group. Where impressions come one by one (fewer than two a request) and
/// clicks are few, as many neighbours as hold a click on average make a group. Store must outlive
/// it. Any thread.
class RequestDraw {
 public:
  /// `negatives`: unclicked impressions (label 0 of the first task) that are drawn of a group; 0:
  /// all.
  RequestDraw(const SampleStore& store, const StoreSchema::Split& split, int64_t negatives,
              uint64_t seed);

  uint64_t num_groups() const { return offsets_.size() - 1; }

  /// Impressions that an epoch draws, on average.
  double num_drawn() const { return num_drawn_; }

  /// Appends the events that the epoch draws of a group, ascending, and of each how far the drawing
  /// raises the log odds of a click.
  ///
  /// Of a group of n impressions each unclicked one is drawn with probability
  /// s = min(1, negatives / (n - 1)), whatever the labels: floor(s u + uniform) of its u, so that
  /// the odds of a click are 1 / s times what they were, exactly.
  void append(uint64_t group, int64_t epoch, std::vector<uint64_t>& events,
              std::vector<float>& log_odds_shift) const;

 private:
  double share(uint64_t size) const;
  uint64_t clicks(uint64_t group) const;

  const SampleStore& store_;
  int64_t negatives_;
  uint64_t seed_;
  std::vector<uint64_t> offsets_ = {0}, events_;
  double num_drawn_ = 0;
};

}  // namespace lemur
