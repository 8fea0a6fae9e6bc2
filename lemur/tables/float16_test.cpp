#include "lemur/tables/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace lemur {
namespace {

float round_trip(float value) {
  uint16_t half;
  to_float16(&value, &half, 1);
  from_float16(&half, &value, 1);
  return value;
}

TEST(Float16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(round_trip(0.0F), 0.0F);
  EXPECT_EQ(round_trip(-1.5F), -1.5F);
  EXPECT_EQ(round_trip(2049), 2048);
  EXPECT_EQ(round_trip(2051), 2052);
  EXPECT_EQ(round_trip(65504), 65504);
  EXPECT_EQ(round_trip(std::nextafter(65520.0F, 0.0F)), 65504);
  EXPECT_EQ(round_trip(65520), std::numeric_limits<float>::infinity());
  EXPECT_EQ(round_trip(0x1p-24F), 0x1p-24F);  // the smallest
  EXPECT_EQ(round_trip(0x1p-26F), 0.0F);
}

TEST(Float16, StaysWithinHalfAUnitInTheLastPlace) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 20000; ++i) {
    float value = normal(random) * std::exp(normal(random) * 2);
    ASSERT_LE(std::fabs(round_trip(value) - value), std::max(std::fabs(value) * 0x1p-11F, 0x1p-25F))
        << value;
  }
}

TEST(Float16, IsTheSameOnEveryCpu) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  for (int64_t n : {0, 1, 7, 8, 31, 32, 33, 5000}) {
    auto size = static_cast<size_t>(n);
    std::vector<float> values(size), wide(size + 1, 42), wide_portable(size);
    std::vector<uint16_t> halves(size + 1, 42), halves_portable(size);
    for (auto& value : values) value = normal(random) * std::exp(normal(random) * 6);
    to_float16(values.data(), halves.data(), n);
    to_float16_portable(values.data(), halves_portable.data(), n);
    EXPECT_EQ(halves.back(), 42);
    halves.pop_back();
    EXPECT_EQ(halves, halves_portable);
    from_float16(halves.data(), wide.data(), n);
    from_float16_portable(halves.data(), wide_portable.data(), n);
    EXPECT_EQ(wide.back(), 42);
    wide.pop_back();
    EXPECT_EQ(wide, wide_portable);
  }
}

}  // namespace
}  // namespace lemur
