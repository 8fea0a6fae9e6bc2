#include "lemur/simd/int8_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "lemur/simd/path.h"

namespace lemur {
namespace {

std::vector<float> draw(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

/// Rounds a row as the product does, to `steps` each way.
std::vector<double> rounded(const float* x, int64_t k, double steps) {
  double most = 0;
  for (int64_t j = 0; j < k; ++j) most = std::max(most, std::abs(static_cast<double>(x[j])));
  std::vector<double> values;
  for (int64_t j = 0; j < k; ++j)
    values.push_back(most > 0 ? std::nearbyint(x[j] / most * steps) * most / steps : 0);
  return values;
}

/// As int8_rows: 127 steps from the least to the largest.
std::vector<double> rounded_between(const float* x, int64_t k) {
  const auto [least, most] = std::minmax_element(x, x + k);
  const double step = (static_cast<double>(*most) - *least) / kInt8Steps;
  std::vector<double> values;
  for (int64_t j = 0; j < k; ++j)
    values.push_back(*least + (step > 0 ? std::nearbyint((x[j] - *least) / step) * step : 0));
  return values;
}

TEST(QuantiseRow, RoundsToTheNearestOf255Steps) {
  for (int64_t k : {1, 15, 16, 17, 100}) {
    const auto x = draw(k, static_cast<unsigned>(k));
    std::vector<int8_t> q(static_cast<size_t>(int8_padded(k)) + 1, 77);
    const float scale = quantise_row(x.data(), k, q.data());
    const auto expected = rounded(x.data(), k, 127);
    int largest = 0;
    for (int64_t j = 0; j < int8_padded(k); ++j) {
      const int value = q[static_cast<size_t>(j)];
      largest = std::max(largest, std::abs(value));
      EXPECT_NEAR(value * static_cast<double>(scale), j < k ? expected[static_cast<size_t>(j)] : 0,
                  1.01 * static_cast<double>(scale) * 1e-3)
          << k << ' ' << j;
    }
    EXPECT_EQ(largest, 127);
    EXPECT_EQ(q.back(), 77);
  }
}

TEST(QuantiseRow, TakesZerosAndTellsWhatIsNotFinite) {
  std::vector<int8_t> q(16);
  std::vector<float> x(5);
  EXPECT_EQ(quantise_row(x.data(), 5, q.data()), 0);
  EXPECT_EQ(q, std::vector<int8_t>(16));
  for (float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    x[3] = value;
    EXPECT_FALSE(std::isfinite(quantise_row(x.data(), 5, q.data()))) << value;
  }
}

TEST(ScaleRow, ScalesAndShifts) {
  for (int64_t n : {1, 7, 16, 33}) {
    std::vector<int32_t> sums;
    std::vector<float> scales, shifts, y(static_cast<size_t>(n) + 1, 42);
    for (int64_t i = 0; i < n; ++i)
      sums.push_back(static_cast<int32_t>(1000 * i - 500)),
          scales.push_back(0.5F + static_cast<float>(i)), shifts.push_back(static_cast<float>(i));
    scale_row(n, sums.data(), 0.25F, scales.data(), shifts.data(), y.data());
    for (size_t i = 0; i < sums.size(); ++i)
      EXPECT_FLOAT_EQ(y[i], static_cast<float>(sums[i]) * 0.25F * scales[i] + shifts[i]);
    EXPECT_EQ(y.back(), 42);
  }
}

TEST(Int8Rows, AreThereOnThePathsWhereTheyAreFaster) {
  const bool has = simd::path() == "sse4" || simd::path() == "avx2" || simd::path() == "avx512";
  EXPECT_EQ(has_int8_rows(), has);
}

TEST(Int8Rows, MultiplyWhatTheyRound) {
  if (!has_int8_rows()) return;
  for (int64_t m : {1, 3, 4, 5, 8, 31, 130})
    for (int64_t n : {1, 7, 8, 16, 17, 32, 70})
      for (int64_t k : {1, 4, 15, 16, 45, 128}) {
        const auto x = draw(m * k, 1), weight = draw(n * k, 2), bias = draw(n, 3);
        std::vector<float> y(static_cast<size_t>(m * n) + 1, 42);
        int8_rows(pack_int8(weight.data(), n, k), m, x.data(), bias.data(), y.data());
        EXPECT_EQ(y.back(), 42);
        for (int64_t i = 0; i < m; ++i) {
          const auto row = rounded_between(x.data() + i * k, k);
          for (int64_t j = 0; j < n; ++j) {
            const auto column = rounded(weight.data() + j * k, k, kInt8WeightSteps);
            double sum = bias[static_cast<size_t>(j)], size = std::abs(sum);
            for (size_t l = 0; l < row.size(); ++l)
              sum += row[l] * column[l], size += std::abs(row[l] * column[l]);
            ASSERT_NEAR(y[static_cast<size_t>(i * n + j)], sum, 1e-3 * size)
                << m << ' ' << n << ' ' << k;
          }
        }
      }
}

// The largest sums of four products: nothing is cut off.
TEST(Int8Rows, AddUpTheLargestProductsWithoutLoss) {
  if (!has_int8_rows()) return;
  constexpr int64_t kInner = 512, kOutputs = 40;
  for (float sign : {1.0F, -1.0F}) {
    std::vector<float> x(kInner, 1), weight(kInner * kOutputs, sign), y(kOutputs);
    x[0] = 0;  // so that the others are the 127th step
    int8_rows(pack_int8(weight.data(), kOutputs, kInner), 1, x.data(), nullptr, y.data());
    for (float value : y) EXPECT_NEAR(value, sign * (kInner - 1), 1e-3);
  }
}

TEST(Int8Rows, RoundFinelyFarFromZero) {
  if (!has_int8_rows()) return;
  std::vector<float> x(64, 1000), y(1);
  for (size_t i = 0; i < x.size(); ++i) x[i] += 1e-3F * static_cast<float>(i % 3);
  double sum = 0;
  for (float value : x) sum += value;
  const std::vector<float> weight(x.size(), 1);
  int8_rows(pack_int8(weight.data(), 1, 64), 1, x.data(), nullptr, y.data());
  EXPECT_NEAR(y[0], sum, 0.01);
}

TEST(Int8Rows, KeepWhatIsNotFiniteInItsRow) {
  if (!has_int8_rows()) return;
  std::vector<float> x(3 * 20, 1), y(3 * 9);
  x[25] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> weight(9 * 20, 0.5F);
  int8_rows(pack_int8(weight.data(), 9, 20), 3, x.data(), nullptr, y.data());
  for (size_t j = 0; j < 9; ++j) {
    EXPECT_NEAR(y[j], 10, 1e-4);
    EXPECT_FALSE(std::isfinite(y[9 + j]));
    EXPECT_NEAR(y[18 + j], 10, 1e-4);
  }
}

}  // namespace
}  // namespace lemur
