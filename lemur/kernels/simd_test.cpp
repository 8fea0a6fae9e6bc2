#include "lemur/kernels/simd.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace lemur::simd {
namespace {

TEST(Simd, ExponentiatesWithRelativeErrorBelowAMillionth) {
  double worst = 0;
  for (int64_t step = 0; step < 870000; step += kLanes<float>) {
    Vec<float> x;
    for (int64_t lane = 0; lane < kLanes<float>; ++lane)
      x[lane] = -1e-4f * static_cast<float>(step + lane);
    Vec<float> result = x;
    exp_nonpositive(result);
    for (int64_t lane = 0; lane < kLanes<float>; ++lane) {
      const double expected = std::exp(static_cast<double>(x[lane]));
      worst = std::max(worst, std::abs(result[lane] - expected) / expected);
    }
  }
  EXPECT_LT(worst, 2e-7);
}

TEST(Simd, ExponentiatesTheEnds) {
  Vec<float> x{};
  x[1] = -88.0f;
  x[2] = -std::numeric_limits<float>::infinity();
  x[3] = std::numeric_limits<float>::quiet_NaN();
  exp_nonpositive(x);
  EXPECT_EQ(x[0], 1.0f);
  EXPECT_LT(x[1], 2e-38f);
  EXPECT_LT(x[2], 2e-38f);
  EXPECT_TRUE(std::isnan(x[3]));
}

template <typename T>
void expect_softmax(int64_t n) {
  std::vector<T> scores(static_cast<size_t>(padded<T>(n)), T(1e30));
  double sum = 0;
  for (int64_t j = 0; j < n; ++j) {
    scores[static_cast<size_t>(j)] = static_cast<T>(std::sin(static_cast<double>(j)) * 3 - 100);
    sum += std::exp(std::sin(static_cast<double>(j)) * 3);
  }
  softmax(scores.data(), n);
  for (int64_t j = 0; j < padded<T>(n); ++j) {
    const double expected = j < n ? std::exp(std::sin(static_cast<double>(j)) * 3) / sum : 0;
    EXPECT_NEAR(scores[static_cast<size_t>(j)], expected, 1e-5 * expected) << n << " at " << j;
  }
}

TEST(Simd, NormalisesAnyLength) {
  for (int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33}) {
    expect_softmax<float>(n);
    expect_softmax<double>(n);
  }
}

}  // namespace
}  // namespace lemur::simd
