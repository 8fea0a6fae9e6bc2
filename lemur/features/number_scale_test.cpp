#include "lemur/features/number_scale.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace lemur {
namespace {

TEST(NumberScale, StandardisesAndClipsAndTakesLogarithms) {
  const NumberScale none{.mean = 2, .deviation = 4};
  EXPECT_EQ(none.apply(10), 2);
  const NumberScale clip{.transform = "clip", .low = 0, .high = 6, .mean = 2, .deviation = 4};
  EXPECT_EQ(clip.apply(10), 1);
  EXPECT_EQ(clip.apply(-1e300), -0.5F);
  EXPECT_EQ(clip.apply(INFINITY), 1);
  const NumberScale log{.transform = "signed_log"};
  EXPECT_FLOAT_EQ(log.apply(std::exp(2.0) - 1), 2);
  EXPECT_FLOAT_EQ(log.apply(1 - std::exp(2.0)), -2);
  EXPECT_TRUE(std::isfinite(log.apply(1e308)));
  EXPECT_EQ(log.apply(-0.0), 0);
}

TEST(NumberScale, TakesNanForMissing) {
  for (const char* transform : {"none", "clip", "signed_log"}) {
    const NumberScale scale{.transform = transform, .low = 1, .high = 2, .mean = 5, .deviation = 2};
    EXPECT_EQ(scale.apply(std::nan("")), 0) << transform;
  }
}

TEST(NumberScale, InvertsWhatItApplied) {
  for (const char* transform : {"none", "clip", "signed_log"}) {
    const NumberScale scale{
        .transform = transform, .low = -9, .high = 9, .mean = 1, .deviation = 3};
    for (double value : {-7.5, 0.0, 0.25, 8.0})
      EXPECT_NEAR(scale.invert(scale.apply(value)), value, 1e-5) << transform;
  }
}

TEST(NumberScale, SurvivesJson) {
  const NumberScale scale{
      .transform = "clip", .low = -0.1, .high = 1e300, .mean = 1.0 / 3, .deviation = 0.7};
  const nlohmann::json json = scale;
  EXPECT_EQ(nlohmann::json::parse(json.dump()).get<NumberScale>(), scale);
}

}  // namespace
}  // namespace lemur
