#include "lemur/simd/largest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace lemur {
namespace {

template <typename T>
void expect_largest(int64_t k, const std::vector<T>& values) {
  std::vector<int64_t> expected(values.size());
  std::iota(expected.begin(), expected.end(), 0);
  std::stable_sort(expected.begin(), expected.end(), [&](int64_t a, int64_t b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  expected.resize(static_cast<size_t>(k));
  LargestRoom<T> room;
  list_largest(k, values.data(), static_cast<int64_t>(values.size()), room);
  EXPECT_EQ(room.largest, expected) << k << " of " << values.size();
}

template <typename T>
void expect_all_sizes() {
  std::mt19937 random(1);
  for (size_t count : {1, 2, 15, 16, 17, 31, 33, 64, 100, 257, 512, 513, 1000, 5000})
    for (int64_t k : {1, 2, 16, 64, 256, 257, 1000}) {
      if (k > static_cast<int64_t>(count)) continue;
      std::vector<T> values(count);
      for (T& value : values) value = static_cast<T>(random()) / static_cast<T>(1e9);
      expect_largest(k, values);
      for (T& value : values) value = static_cast<T>(random() % 5);  // many are equal
      expect_largest(k, values);
      expect_largest(k, std::vector<T>(count, T(0.5)));
      values[0] = -std::numeric_limits<T>::infinity();
      expect_largest(k, values);
    }
}

TEST(ListLargest, SortsTheLargestEqualOnesByTheirPlace) {
  expect_all_sizes<float>();
  expect_all_sizes<double>();
}

TEST(ListLargest, ListsPlacesOfWhatIsNoNumber) {
  LargestRoom<float> room;
  for (int64_t count : {300, 3000}) {
    std::vector<float> values(static_cast<size_t>(count), std::numeric_limits<float>::quiet_NaN());
    list_largest(4, values.data(), count, room);
    ASSERT_EQ(room.largest.size(), 4U);
    for (int64_t place : room.largest) EXPECT_TRUE(place >= 0 && place < count);
  }
}

TEST(ListLargest, PutsWhatIsNoNumberLastAmongMany) {
  std::vector<float> values(3000, std::numeric_limits<float>::quiet_NaN());
  for (size_t i = 100; i < 800; ++i) values[i] = -static_cast<float>(i);
  LargestRoom<float> room;
  list_largest(700, values.data(), std::ssize(values), room);
  std::vector<int64_t> expected(700);
  std::iota(expected.begin(), expected.end(), 100);
  EXPECT_EQ(room.largest, expected);
}

}  // namespace
}  // namespace lemur
