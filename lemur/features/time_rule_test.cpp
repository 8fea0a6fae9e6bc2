#include "lemur/features/time_rule.h"

#include <gtest/gtest.h>

namespace lemur {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

TEST(TimeRule, TakesTimesFrom1990ToADayFromNow) {
  EXPECT_TRUE(is_plausible_time(631'152'000'000, kNow));
  EXPECT_FALSE(is_plausible_time(631'151'999'999, kNow));
  EXPECT_TRUE(is_plausible_time(kNow + 86'400'000, kNow));
  EXPECT_FALSE(is_plausible_time(kNow + 86'400'001, kNow));
  EXPECT_FALSE(is_plausible_time(0, kNow));
  EXPECT_FALSE(is_plausible_time(-1, kNow));
}

TEST(TimeRule, TellsUnitsApartBySize) {
  for (const auto& [number, unit] : {std::pair(int64_t{1'600'000'000}, TimeUnit::kSeconds),
                                     {1'600'000'000'000, TimeUnit::kMilliseconds},
                                     {1'600'000'000'000'000, TimeUnit::kMicroseconds},
                                     {1'600'000'000'000'000'000, TimeUnit::kNanoseconds},
                                     {631'152'000, TimeUnit::kSeconds},
                                     {kNow + 86'400'000, TimeUnit::kMilliseconds}})
    EXPECT_EQ(plausible_unit(number, kNow), unit) << number;
  for (int64_t number : {int64_t{0}, int64_t{-5}, int64_t{631'151'999}, int64_t{1'800'000'000},
                         int64_t{20'250'131}, int64_t{100'000'000'000}, int64_t{1} << 62})
    EXPECT_EQ(plausible_unit(number, kNow), std::nullopt) << number;
  for (const char* name : {"s", "ms", "us", "ns"}) EXPECT_EQ(name_of(*time_unit(name)), name);
  EXPECT_EQ(time_unit("m"), std::nullopt);
}

TEST(TimeRule, RecognisesDaysWrittenAsNumbers) {
  EXPECT_EQ(calendar_pattern(20'250'131), "%Y%m%d");
  EXPECT_EQ(calendar_pattern(20'240'229), "%Y%m%d");
  EXPECT_EQ(calendar_pattern(20'230'229), "");  // no leap year
  EXPECT_EQ(calendar_pattern(20'251'301), "");
  EXPECT_EQ(calendar_pattern(2'025'013'123), "%Y%m%d%H");
  EXPECT_EQ(calendar_pattern(2'025'013'124), "");
  EXPECT_EQ(calendar_pattern(202'501'312'359), "%Y%m%d%H%M");
  EXPECT_EQ(calendar_pattern(202'501'312'360), "");
  EXPECT_EQ(calendar_pattern(20'250'131'235'959), "%Y%m%d%H%M%S");
  EXPECT_EQ(calendar_pattern(202'501'312), "");  // nine digits
  EXPECT_EQ(calendar_pattern(18'991'231), "");
  EXPECT_EQ(calendar_pattern(22'000'101), "");
  EXPECT_EQ(calendar_pattern(-20'250'131), "");
  EXPECT_EQ(calendar_pattern(1'700'000'000), "");
}

TEST(TimeRule, WritesTimesInUtc) {
  EXPECT_EQ(utc_text(0), "1970-01-01 00:00:00");
  EXPECT_EQ(utc_text(-1), "1969-12-31 23:59:59");
  EXPECT_EQ(utc_text(1'704'067'199'999), "2023-12-31 23:59:59");
  EXPECT_EQ(utc_text(int64_t{1} << 62), "4611686018427387904");
}

}  // namespace
}  // namespace lemur
