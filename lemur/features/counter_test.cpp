#include "lemur/features/counter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "lemur/features/known.h"

namespace lemur {
namespace {

TEST(Known, IsWhatCameMoreThanTheDelayBefore) {
  EXPECT_EQ(known_before(1000, 0), 1000);  // an event of the same time is not known
  EXPECT_EQ(known_before(1000, 300), 700);
  EXPECT_EQ(known_before(INT64_MIN + 1, 300), INT64_MIN);
  EXPECT_EQ(window_begin(1000, 0), INT64_MIN);
  EXPECT_EQ(window_begin(1000, 400), 600);
}

TEST(Counter, ValuesAreSmoothedTowardsTheRateOfAll) {
  const CounterValues seen = counter_values({3, 1, 8, 4}, 10);
  EXPECT_DOUBLE_EQ(seen.rate, (1 + 10 * 0.5) / 13);
  EXPECT_DOUBLE_EQ(seen.count, std::log(4.0));
  EXPECT_DOUBLE_EQ(counter_values({0, 0, 0, 0}, 10).rate, 0.5);
  EXPECT_TRUE(std::isnan(counter_values({0, 0, 8, 4}, 0).rate));
}

TEST(Counter, KeysTellMissingFromEmptyAndOrderMatters) {
  const uint64_t a = counter_part("a"), b = counter_part("b"), none = counter_part(std::nullopt);
  const std::set<uint64_t> keys = {counter_key(std::vector{a, b}),
                                   counter_key(std::vector{b, a}),
                                   counter_key(std::vector{a, none}),
                                   counter_key(std::vector{a}),
                                   counter_key(std::vector{counter_part("")}),
                                   counter_key(std::vector{none})};
  EXPECT_EQ(keys.size(), 6U);
  for (uint64_t key : keys) EXPECT_EQ(key >> 63, 0U);
}

/// Counts by looking at every event.
CounterState counted(const std::vector<uint64_t>& keys, const std::vector<int64_t>& times,
                     const std::vector<uint8_t>& labels, uint64_t key, int64_t begin, int64_t end) {
  CounterState state;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (times[i] >= end || times[i] < begin) continue;
    ++state.count_of_all, state.positives_of_all += labels[i];
    if (keys[i] == key) ++state.count, state.positives += labels[i];
  }
  return state;
}

TEST(CounterIndex, CountsWhatARequestKnowsWhereverEventsComeFrom) {
  std::mt19937 random(3);
  for (int64_t window : {0, 25})
    for (int64_t delay : {0, 7}) {
      CounterIndex index({.window_ms = window, .delay_ms = delay});
      std::vector<uint64_t> keys;
      std::vector<int64_t> times;
      std::vector<uint8_t> labels;
      for (int i = 0; i < 300; ++i) {
        keys.push_back(random() % 5);
        times.push_back(static_cast<int64_t>(random() % 100));
        labels.push_back(random() % 2);
      }
      index.build({keys.begin(), keys.begin() + 200}, {times.begin(), times.begin() + 200},
                  {labels.begin(), labels.begin() + 200});
      for (size_t i = 200; i < 300; ++i) index.add(keys[i], times[i], labels[i] != 0);
      for (uint64_t key = 0; key < 6; ++key)
        for (int64_t now = -1; now < 130; ++now) {
          const CounterState state = index.find(key, now);
          const CounterState expected = counted(
              keys, times, labels, key, window == 0 ? INT64_MIN : now - window, now - delay);
          ASSERT_EQ(state.count, expected.count) << key << " at " << now;
          ASSERT_EQ(state.positives, expected.positives) << key << " at " << now;
          ASSERT_EQ(state.count_of_all, expected.count_of_all) << key << " at " << now;
          ASSERT_EQ(state.positives_of_all, expected.positives_of_all) << key << " at " << now;
        }
    }
}

}  // namespace
}  // namespace lemur
