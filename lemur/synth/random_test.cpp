#include "lemur/synth/random.h"

#include <gtest/gtest.h>

namespace lemur {
namespace {

TEST(Random, RepeatsAStreamAndKeepsStreamsApart) {
  Random a(1, 2), b(1, 2), c(1, 3), d(2, 2);
  for (int i = 0; i < 33; ++i) {
    uint64_t bits = a.bits();
    EXPECT_EQ(bits, b.bits());
    EXPECT_NE(bits, c.bits());
    EXPECT_NE(bits, d.bits());
  }
}

TEST(Random, HasTheMomentsOfItsDistributions) {
  Random random(7, 0);
  constexpr int kDraws = 200000;
  double uniform = 0, normal = 0, square = 0, waiting = 0, count = 0, below = 0;
  for (int i = 0; i < kDraws; ++i) {
    uniform += random.uniform();
    double x = random.normal();
    normal += x, square += x * x;
    waiting += random.exponential(3);
    count += static_cast<double>(random.poisson(4.5));
    below += static_cast<double>(random.below(33));
  }
  EXPECT_NEAR(uniform / kDraws, 0.5, 0.004);
  EXPECT_NEAR(normal / kDraws, 0, 0.012);
  EXPECT_NEAR(square / kDraws, 1, 0.018);
  EXPECT_NEAR(waiting / kDraws, 3, 0.036);
  EXPECT_NEAR(count / kDraws, 4.5, 0.025);
  EXPECT_NEAR(below / kDraws, 16, 0.11);
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_EQ(random.poisson(0), 0);
}

TEST(WeightedIndex, DrawsInProportionToTheWeights) {
  for (int64_t size : {1, 2, 31, 32, 33}) {
    std::vector<double> weights = zipf_weights(size, 1.2, 0.5);
    double total = 0;
    for (double weight : weights) total += weight;
    WeightedIndex index(weights);
    Random random(3, static_cast<uint64_t>(size));
    std::vector<double> seen(weights.size());
    constexpr double kDraws = 200000;
    for (int i = 0; i < kDraws; ++i) ++seen[index.draw(random)];
    for (size_t i = 0; i < weights.size(); ++i) {
      double expected = kDraws * weights[i] / total;
      EXPECT_NEAR(seen[i], expected, 5 * std::sqrt(expected)) << size << " " << i;
    }
  }
}

}  // namespace
}  // namespace lemur
