#include "lemur/data/shuffle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace lemur {
namespace {

TEST(Permuted, IsAPermutationThatDependsOnItsKey) {
  for (uint64_t size : {1, 2, 3, 4, 5, 31, 32, 33, 1000}) {
    std::set<std::vector<uint64_t>> orders;
    for (uint64_t key = 0; key < 50; ++key) {
      std::vector<uint64_t> order;
      for (uint64_t i = 0; i < size; ++i) order.push_back(permuted(key, size, i));
      orders.insert(order);
      std::ranges::sort(order);
      for (uint64_t i = 0; i < size; ++i) ASSERT_EQ(order[i], i);
    }
    if (size >= 31) {
      EXPECT_EQ(orders.size(), 50u);
    }
  }
}

TEST(Permuted, SendsEveryIndexEverywhereEquallyOften) {
  constexpr uint64_t kSize = 10, kKeys = 20000;
  std::vector<double> counts(kSize * kSize);
  for (uint64_t key = 0; key < kKeys; ++key)
    for (uint64_t i = 0; i < kSize; ++i) ++counts[i * kSize + permuted(mix(key), kSize, i)];
  // 2000 expected in each cell; the deviation of a fair draw is 42.
  for (double count : counts) EXPECT_NEAR(count, kKeys / kSize, 5 * 42);
}

}  // namespace
}  // namespace lemur
