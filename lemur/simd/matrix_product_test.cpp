#include "lemur/simd/matrix_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace lemur {
namespace {

template <typename T>
std::vector<T> draw(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = static_cast<T>(normal(random));
  return values;
}

struct Sizes {
  int64_t m, n, k;
};

/// Multiplies parts of larger matrices; returns the largest error against sums in long double, in
/// units of the type's rounding times the sum of the products' sizes. Fails where more than C is
/// written.
template <typename T>
double error_of(const Sizes& s, bool transposed, bool turned, bool add, bool biased = false) {
  const auto [m, n, k] = s;
  const auto seed = static_cast<unsigned>(m * 10007 + n * 101 + k);
  const int64_t a_stride = (transposed ? m : k) + 3, b_stride = (turned ? k : n) + 5,
                c_stride = n + 2;
  const auto a = draw<T>((transposed ? k : m) * a_stride, seed),
             b = draw<T>((turned ? n : k) * b_stride, seed + 1), bias = draw<T>(n, seed + 2),
             before = draw<T>((m + 1) * c_stride, seed + 3);
  std::vector<T> c = before;
  const MatrixView<T> left = transposed ? MatrixView<T>{a.data(), 1, a_stride}
                                        : MatrixView<T>{a.data(), a_stride},
                      right = turned ? MatrixView<T>{b.data(), 1, b_stride}
                                     : MatrixView<T>{b.data(), b_stride};
  multiply<T>(m, n, k, left, right, c.data(), c_stride, add, biased ? bias.data() : nullptr);
  double worst = 0;
  for (int64_t i = 0; i <= m; ++i)
    for (int64_t j = 0; j < c_stride; ++j) {
      const auto place = static_cast<size_t>(i * c_stride + j);
      if (i == m || j >= n) {
        EXPECT_EQ(c[place], before[place]) << "behind C, at " << i << ", " << j;
        continue;
      }
      long double sum = add      ? static_cast<long double>(before[place])
                        : biased ? static_cast<long double>(bias[static_cast<size_t>(j)])
                                 : 0.0L;
      long double size = std::abs(sum);
      for (int64_t l = 0; l < k; ++l) {
        const long double product =
            static_cast<long double>(left.data[i * left.row + l * left.column]) *
            static_cast<long double>(right.data[l * right.row + j * right.column]);
        sum += product, size += std::abs(product);
      }
      const auto error = static_cast<double>(std::abs(static_cast<long double>(c[place]) - sum));
      const double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) *
                          std::max(static_cast<double>(size), 1e-30);
      worst = std::max(worst, error / unit);
    }
  return worst;
}

// Paths round differently: each stays within this many units of the exact sum, so two of them
// within twice as many of each other.
constexpr double kUnits = 4;

TEST(MatrixProduct, IsExactToTheLastBitsForAnySizes) {
  for (int64_t m : {1, 2, 5, 6, 7, 11, 12, 13, 31})
    for (int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 70})
      for (int64_t k : {0, 1, 3, 4, 16, 50})
        for (int ways = 0; ways < 8; ++ways) {
          const bool transposed = ways & 1, turned = ways & 2, add = ways & 4;
          ASSERT_LT(error_of<float>({m, n, k}, transposed, turned, add), kUnits)
              << m << ' ' << n << ' ' << k << ' ' << ways;
          ASSERT_LT(error_of<double>({m, n, k}, transposed, turned, add), kUnits)
              << m << ' ' << n << ' ' << k << ' ' << ways;
        }
}

TEST(MatrixProduct, CutsLongSumsAndManyRows) {
  for (const Sizes& sizes : {Sizes{5, 20, 255}, {5, 20, 256}, {5, 20, 257}, {400, 150, 300}})
    for (int ways = 0; ways < 8; ++ways)
      for (bool biased : {false, true})
        EXPECT_LT(error_of<float>(sizes, ways & 1, ways & 2, ways & 4, biased), kUnits)
            << sizes.m << ' ' << sizes.k << ' ' << ways << ' ' << biased;
}

TEST(MatrixProduct, StartsFromABias) {
  for (int64_t n : {1, 31, 32, 33})
    EXPECT_LT(error_of<float>({14, n, 20}, false, false, false, true), kUnits) << n;
}

TEST(MatrixProduct, GivesARowTheSameBitsWhereverItStands) {
  for (bool transposed : {false, true}) {
    constexpr int64_t kRows = 31, kInner = 300, kColumns = 200;
    const auto row = draw<float>(kInner, 1), b = draw<float>(kInner * kColumns, 2);
    std::vector<float> a(kRows * kInner), c(kRows * kColumns), alone(kColumns);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t l = 0; l < kInner; ++l)
        a[static_cast<size_t>(transposed ? l * kRows + i : i * kInner + l)] =
            row[static_cast<size_t>(l)];
    const MatrixView<float> view =
        transposed ? MatrixView<float>{a.data(), 1, kRows} : MatrixView<float>{a.data(), kInner};
    multiply<float>(kRows, kColumns, kInner, view, {b.data(), kColumns}, c.data(), kColumns, false);
    multiply<float>(1, kColumns, kInner, {row.data(), kInner}, {b.data(), kColumns}, alone.data(),
                    kColumns, false);
    for (int64_t i = 0; i < kRows; ++i)
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), c.begin() + i * kColumns)) << i;
  }
}

TEST(MatrixProduct, PassesOnWhatIsNoNumber) {
  std::vector<float> a(3 * 20, 1), b(20 * 33, 1), c(3 * 33);
  a[20] = std::numeric_limits<float>::quiet_NaN();  // row 1
  multiply<float>(3, 33, 20, {a.data(), 20}, {b.data(), 33}, c.data(), 33, false);
  for (size_t j = 0; j < 33; ++j) {
    EXPECT_EQ(c[j], 20);
    EXPECT_TRUE(std::isnan(c[33 + j]));
    EXPECT_EQ(c[66 + j], 20);
  }
}

}  // namespace
}  // namespace lemur
