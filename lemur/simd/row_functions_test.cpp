#include "lemur/simd/row_functions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "lemur/simd/padding.h"

namespace lemur {
namespace {

constexpr int64_t kWidths[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 128};

template <typename T>
std::vector<T> draw(int64_t count, unsigned seed, double scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = static_cast<T>(scale * normal(random));
  return values;
}

template <typename T>
void expect_near(const std::vector<T>& found, const std::vector<double>& expected, double bound,
                 int64_t width) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(static_cast<double>(found[i]), expected[i], bound * (1 + std::abs(expected[i])))
        << "width " << width << ", at " << i;
}

template <typename T>
constexpr double kBound = sizeof(T) == 4 ? 2e-5 : 1e-13;

template <typename T>
class RowFunctions : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(RowFunctions, Types);

TYPED_TEST(RowFunctions, NormaliseRowsAndTheirGradients) {
  using T = TypeParam;
  for (int64_t width : kWidths) {
    constexpr int64_t kRows = 3;
    const auto x = draw<T>(kRows * width, 1), gain = draw<T>(width, 2), bias = draw<T>(width, 3),
               dy = draw<T>(kRows * width, 4), begun = draw<T>(kRows * width, 5);
    const double epsilon = 1e-3;
    std::vector<double> y, dx, dgain(static_cast<size_t>(width), 1), dbias(dgain.size(), 2);
    for (int64_t i = 0; i < kRows; ++i) {
      const T *row = x.data() + i * width, *given = dy.data() + i * width;
      double mean = 0, variance = 0, slope = 0, centre = 0;
      for (int64_t c = 0; c < width; ++c)
        mean += static_cast<double>(row[c]) / static_cast<double>(width);
      for (int64_t c = 0; c < width; ++c)
        variance += std::pow(row[c] - mean, 2) / static_cast<double>(width);
      const double scale = 1 / std::sqrt(variance + epsilon);
      for (int64_t c = 0; c < width; ++c) {
        const auto at = static_cast<size_t>(c);
        const double v = (row[c] - mean) * scale, inner = static_cast<double>(given[c]) * gain[at];
        y.push_back(v * gain[at] + bias[at]);
        dgain[at] += given[c] * v, dbias[at] += given[c];
        centre += inner / static_cast<double>(width),
            slope += inner * v / static_cast<double>(width);
      }
      for (int64_t c = 0; c < width; ++c) {
        const auto at = static_cast<size_t>(c);
        dx.push_back(begun[static_cast<size_t>(i * width + c)] +
                     scale * (static_cast<double>(given[c]) * gain[at] - centre -
                              (row[c] - mean) * scale * slope));
      }
    }
    std::vector<T> result(x.size()), result_dx = begun, result_dgain(gain.size(), 1),
                                     result_dbias(gain.size(), 2);
    layer_norm_rows({kRows, width}, x.data(), gain.data(), bias.data(), result.data(), epsilon);
    layer_norm_backward_rows({kRows, width}, x.data(), gain.data(), dy.data(), result_dx.data(),
                             result_dgain.data(), result_dbias.data(), epsilon);
    expect_near(result, y, kBound<T>, width);
    expect_near(result_dx, dx, 5 * kBound<T>, width);
    expect_near(result_dgain, dgain, kBound<T>, width);
    expect_near(result_dbias, dbias, kBound<T>, width);
  }
}

TYPED_TEST(RowFunctions, ComputeGeluAndItsGradient) {
  using T = TypeParam;
  const double bound = sizeof(T) == 4 ? 2e-7 : 1e-13;
  for (int64_t count : {1, 7, 33, 2000}) {
    const auto x = draw<T>(count, 6, 3), given = draw<T>(count, 7);
    std::vector<T> y(x.size()), dy = given;
    gelu_values(count, x.data(), y.data());
    gelu_backward_values(count, x.data(), dy.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = x[i], below = 0.5 * std::erfc(-v * std::sqrt(0.5)),
                   density = std::exp(-0.5 * v * v) * 0.3989422804014327;
      ASSERT_NEAR(y[i], v * below, bound * (1 + std::abs(v))) << v;
      ASSERT_NEAR(dy[i], given[i] * (below + v * density), 8 * bound * (1 + std::abs(given[i])))
          << v;
    }
  }
}

TYPED_TEST(RowFunctions, GiveTheEndsOfGelu) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity();
  std::vector<T> x = {T(0),    T(-0.0),  T(100),
                      T(-100), infinity, std::numeric_limits<T>::quiet_NaN()},
                 y(x.size());
  gelu_values(static_cast<int64_t>(x.size()), x.data(), y.data());
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[1], 0);
  EXPECT_EQ(y[2], 100);
  EXPECT_NEAR(y[3], 0, 1e-30);
  EXPECT_EQ(y[4], infinity);
  EXPECT_TRUE(std::isnan(y[5]));
}

TYPED_TEST(RowFunctions, TurnRowsIntoProbabilities) {
  using T = TypeParam;
  for (int64_t width : kWidths) {
    constexpr int64_t kRows = 2;
    const int64_t stride = simd::padded<T>(width) + 3;
    std::vector<T> scores(static_cast<size_t>(kRows * stride), T(1e30));
    std::vector<double> p, dx;
    std::vector<T> given(scores.size(), T(0.5));
    for (int64_t i = 0; i < kRows; ++i) {
      double sum = 0, mean = 0;
      for (int64_t j = 0; j < width; ++j) {
        const double score = std::sin(static_cast<double>(i * 50 + j)) * 3;
        scores[static_cast<size_t>(i * stride + j)] = static_cast<T>(score - 100);
        sum += std::exp(score);
      }
      for (int64_t j = 0; j < width; ++j) {
        given[static_cast<size_t>(i * stride + j)] = static_cast<T>(j % 5);
        p.push_back(std::exp(std::sin(static_cast<double>(i * 50 + j)) * 3) / sum);
        mean += p.back() * static_cast<double>(j % 5);
      }
      for (int64_t j = 0; j < width; ++j)
        dx.push_back(p[static_cast<size_t>(i * width + j)] * (static_cast<double>(j % 5) - mean) *
                     0.25);
    }
    softmax_rows({kRows, width}, stride, scores.data());
    softmax_backward_rows({kRows, width}, stride, scores.data(), T(0.25), given.data());
    const double bound = sizeof(T) == 4 ? 1e-5 : 1e-12;
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = 0; j < stride; ++j) {
        const auto place = static_cast<size_t>(i * stride + j),
                   at = static_cast<size_t>(i * width + j);
        if (j < width) {
          ASSERT_NEAR(scores[place], p[at], bound * p[at]) << width << ' ' << j;
          ASSERT_NEAR(given[place], dx[at], bound) << width << ' ' << j;
        } else {
          ASSERT_EQ(scores[place], j < simd::padded<T>(width) ? T(0) : T(1e30))
              << width << ' ' << j;
          ASSERT_EQ(given[place], T(0.5)) << width << ' ' << j;
        }
      }
  }
}

TYPED_TEST(RowFunctions, KeepNaNInItsRow) {
  using T = TypeParam;
  for (int64_t place : {0, 5, 20}) {
    std::vector<T> scores(2 * 32, 1);
    scores[static_cast<size_t>(place)] = std::numeric_limits<T>::quiet_NaN();
    softmax_rows({2, 21}, 32, scores.data());
    for (size_t j = 0; j < 21; ++j) {
      EXPECT_TRUE(std::isnan(scores[j])) << place << ' ' << j;
      EXPECT_NEAR(scores[32 + j], 1.0 / 21, 1e-6);
    }
  }
}

TYPED_TEST(RowFunctions, AddRows) {
  using T = TypeParam;
  for (int64_t width : kWidths) {
    constexpr int64_t kRows = 3;
    const int64_t stride = width + 2;
    const auto x = draw<T>(kRows * stride, 8), row = draw<T>(width, 9);
    std::vector<T> sum = row, shifted(static_cast<size_t>(kRows * width));
    add_rows({kRows, width}, x.data(), stride, sum.data());
    add_row({kRows, width}, x.data(), row.data(), shifted.data());
    double total = 0;
    for (int64_t c = 0; c < width; ++c) {
      double expected = row[static_cast<size_t>(c)];
      for (int64_t i = 0; i < kRows; ++i) expected += x[static_cast<size_t>(i * stride + c)];
      ASSERT_NEAR(sum[static_cast<size_t>(c)], expected, kBound<T>) << width;
    }
    for (size_t i = 0; i < shifted.size(); ++i)
      ASSERT_EQ(shifted[i], x[i] + row[i % static_cast<size_t>(width)]) << width;
    for (size_t i = 0; i < x.size(); ++i) total += x[i];
    EXPECT_NEAR(sum_values(static_cast<int64_t>(x.size()), x.data()), total,
                1e-3 * (sizeof(T) == 4 ? 1 : 1e-9));
  }
  EXPECT_EQ(sum_values(0, static_cast<const TypeParam*>(nullptr)), 0);
}

TEST(AddMatrices, TakesRowsApart) {
  for (int64_t width : kWidths) {
    constexpr int64_t kRows = 3;
    const auto a = draw<float>(kRows * (width + 1), 10), b = draw<float>(kRows * (width + 4), 11);
    std::vector<float> y(static_cast<size_t>(kRows * (width + 2)), 7);
    add_matrices({kRows, width}, {a.data(), width + 1}, {b.data(), width + 4}, y.data(), width + 2);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t c = 0; c < width + 2; ++c)
        ASSERT_EQ(y[static_cast<size_t>(i * (width + 2) + c)],
                  c < width ? a[static_cast<size_t>(i * (width + 1) + c)] +
                                  b[static_cast<size_t>(i * (width + 4) + c)]
                            : 7);
  }
}

TEST(AdamWValues, FollowTheAlgorithm) {
  const AdamWFactors f{0.9F, 0.99F, 1e-6F, 0.01F, 3, 0.999F};
  for (int64_t n : kWidths) {
    const auto gradient = draw<float>(n, 12);
    auto first = draw<float>(n, 13), value = draw<float>(n, 14);
    std::vector<float> second(first.size(), 0.25F);
    const auto first_before = first, value_before = value;
    adamw_values(f, n, gradient.data(), first.data(), second.data(), value.data());
    for (size_t i = 0; i < first.size(); ++i) {
      const double g = gradient[i], m = 0.9 * first_before[i] + 0.1 * g,
                   v = 0.99 * 0.25 + 0.01 * g * g;
      ASSERT_NEAR(first[i], m, 1e-6);
      ASSERT_NEAR(second[i], v, 1e-6);
      ASSERT_NEAR(value[i], 0.999 * value_before[i] - 0.01 * m / (std::sqrt(v) * 3 + 1e-6), 1e-6);
    }
    double squares = 0;
    for (float g : gradient) squares += static_cast<double>(g) * g;
    EXPECT_NEAR(sum_squares(n, gradient.data()), squares, 1e-5 * (1 + squares));
  }
}

}  // namespace
}  // namespace lemur
