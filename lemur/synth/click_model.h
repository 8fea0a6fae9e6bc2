// The known click probability of the simulated world, and statistics of what was drawn from it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lemur/synth/traffic.h"
#include "lemur/synth/world.h"

namespace lemur {

/// The parts of p*'s logit, without the intercept.
struct ClickParts {
  static constexpr size_t kCount = 7;
  /// match, long interest, short interest, quality, author, position, interactions
  std::array<double, kCount> values{};

  double sum() const;
};

/// Returns the parts of one impression at a position from 0; `interactions` is the sum over its
/// pairs of fields, 0 in a world without them.
ClickParts click_parts(const ClickEffects& effects, const WorldDocuments& catalogue,
                       const Search& search, const User& user, uint32_t document, int64_t position,
                       double interactions);

/// Counts of labels by p*, in cells narrow enough that the AUC is exact to about 1e-5. Memory is
/// constant.
class ClickHistogram {
 public:
  ClickHistogram() : cells_(kCells) {}
  void add(double probability, bool label);
  /// Returns the AUC, ties counted half; 0.5 unless both labels were added.
  double auc() const;

 private:
  static constexpr size_t kCells = 1 << 16;
  std::vector<std::array<int64_t, 2>> cells_;
};

/// Running covariances of the parts with the logit. Memory is constant.
class ShareCounter {
 public:
  void add(const ClickParts& parts);
  /// Returns the shares; all 0 where the logit never varied.
  VarianceShares shares() const;

 private:
  int64_t count_ = 0;
  double logits_ = 0, squares_ = 0;
  std::array<double, ClickParts::kCount> sums_{}, products_{};  // products: part times logit
};

}  // namespace lemur
