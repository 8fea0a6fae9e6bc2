#include "lemur/base/hash.h"
#include <gtest/gtest.h>
namespace lemur {
namespace {
TEST(Hash, UniformIsAFunctionOfItsArgumentsInTheUnitInterval) {
  double sum = 0;
  for (uint64_t key = 0; key < 10000; ++key) {
    double u = hash_uniform(1, 2, key);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ASSERT_EQ(u, hash_uniform(1, 2, key));
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
  EXPECT_NE(hash_uniform(1, 2, 3), hash_uniform(1, 3, 2));
}
}  // namespace
}  // namespace lemur
