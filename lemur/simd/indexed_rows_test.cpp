#include "lemur/simd/indexed_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lemur {
namespace {

template <typename T>
void expect_rows(int64_t width) {
  constexpr int64_t kRows = 9;
  const int64_t stride = width + 3;
  std::vector<T> table(static_cast<size_t>(kRows * stride)), vector(static_cast<size_t>(width));
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<T>(std::sin(static_cast<double>(i)));
  for (size_t i = 0; i < vector.size(); ++i)
    vector[i] = static_cast<T>(std::cos(static_cast<double>(i)));
  const std::vector<int64_t> index = {8, 0, 3, 3, 7, 1, 2, 0, 5, 6, 4};
  std::vector<T> dots(index.size()), sum(vector.size() + 1, T(42)), weights;
  for (size_t j = 0; j < index.size(); ++j)
    weights.push_back(static_cast<T>(0.5 + static_cast<double>(j)));
  const RowTable<T> rows{table.data(), width, stride};
  row_dots(vector.data(), rows, index, dots.data());
  row_sum(weights.data(), rows, index, sum.data());
  const double bound = sizeof(T) == 4 ? 2e-5 : 1e-13;
  std::vector<double> expected(vector.size());
  for (size_t j = 0; j < index.size(); ++j) {
    double dot = 0;
    for (size_t c = 0; c < vector.size(); ++c) {
      const double value = table[static_cast<size_t>(index[j] * stride) + c];
      dot += value * vector[c], expected[c] += value * weights[j];
    }
    ASSERT_NEAR(dots[j], dot, bound * static_cast<double>(width)) << width << ' ' << j;
  }
  for (size_t c = 0; c < expected.size(); ++c)
    ASSERT_NEAR(sum[c], expected[c], 10 * bound) << width;
  EXPECT_EQ(sum.back(), T(42));
}

TEST(IndexedRows, AreMultipliedAndSummedInPlace) {
  for (int64_t width : {1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64, 128, 130, 200}) {
    expect_rows<float>(width);
    expect_rows<double>(width);
  }
}

TEST(IndexedRows, OfNothingSumToZero) {
  std::vector<float> sum(20, 1);
  row_sum(static_cast<const float*>(nullptr), RowTable<float>{nullptr, 20, 20}, {}, sum.data());
  EXPECT_EQ(sum, std::vector<float>(20));
}

}  // namespace
}  // namespace lemur
