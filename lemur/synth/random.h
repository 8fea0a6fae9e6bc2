// Random numbers of the simulation: the same on every machine and standard library.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "lemur/base/hash.h"

namespace lemur {

/// SplitMix64 with the few distributions that the simulation draws from. Not thread-safe.
class Random {
 public:
  /// Starts stream `stream` of `seed`; streams are independent of one another.
  Random(uint64_t seed, uint64_t stream) : state_(hash_combine(seed, stream)) {}

  uint64_t bits() {
    uint64_t result = mix(state_);
    state_ += 0x9e3779b97f4a7c15ULL;
    return result;
  }
  /// Returns a number in [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return uniform() < probability; }
  /// Returns an integer in [0, n). Requires: 0 < n <= 2^32.
  uint64_t below(uint64_t n) { return ((bits() >> 32) * n) >> 32; }
  double normal() {
    double radius = std::sqrt(-2 * std::log1p(-uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  /// Returns a waiting time of the given mean.
  double exponential(double mean) { return -mean * std::log1p(-uniform()); }
  /// Returns a Poisson count. Requires: 0 <= mean <= 500.
  int64_t poisson(double mean) {
    int64_t count = 0;
    double limit = std::exp(-mean);
    for (double product = uniform(); product > limit; product *= uniform()) ++count;
    return count;
  }

 private:
  uint64_t state_;
};

/// Draws indices by weight in constant time (Vose's alias method). Immutable.
class WeightedIndex {
 public:
  /// Requires: at least one weight, all of them positive, at most 2^32.
  explicit WeightedIndex(std::span<const double> weights);

  uint32_t draw(Random& random) const {
    uint64_t i = random.below(keep_.size());
    return random.uniform() < keep_[i] ? static_cast<uint32_t>(i) : other_[i];
  }

 private:
  std::vector<float> keep_;
  std::vector<uint32_t> other_;
};

/// Returns weights 1 / (rank + offset)^exponent for the ranks 1 to `count`.
std::vector<double> zipf_weights(int64_t count, double exponent, double offset = 0);

}  // namespace lemur
