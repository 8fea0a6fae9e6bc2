#include "lemur/synth/interactions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace lemur {
namespace {

constexpr int64_t kHourMs = 3'600'000;

WorldOptions options(uint64_t seed = 1) {
  WorldOptions options;
  options.documents = options.users = 2000, options.seed = seed;
  return options;
}

TEST(Interactions, DrawEveryValueOfEveryFieldAboutEquallyOften) {
  const Interactions interactions(options());
  std::array<std::array<int, kFieldValues>, kUserFields.size()> counts{};
  for (int64_t user = 0; user < 2000; ++user)
    for (size_t f = 0; f < counts.size(); ++f) ++counts[f][interactions.of_user(user)[f]];
  for (const auto& field : counts)
    for (const int count : field) EXPECT_NEAR(count, 2000 / kFieldValues, 75);
}

TEST(Interactions, HaveUnitVarianceAndTellNothingByTheUserOrTheDocumentAlone) {
  const Interactions interactions(options());
  constexpr int64_t kPairs = 400;
  double sum = 0, squares = 0, by_document = 0;
  for (int64_t d = 0; d < kPairs; ++d) {
    double mean = 0;
    for (int64_t u = 0; u < 2000; ++u) {
      const double effect = interactions.effect(u, (u + d) % 24 * kHourMs, d);
      mean += effect / 2000;
      sum += effect, squares += effect * effect;
    }
    by_document += mean * mean / kPairs;
  }
  EXPECT_NEAR(sum / 2000 / kPairs, 0, 0.02);
  EXPECT_NEAR(squares / 2000 / kPairs, 1, 0.15);
  EXPECT_LT(by_document, 0.02);
}

TEST(Interactions, HangOnTheHourOfTheDay) {
  const Interactions interactions(options());
  EXPECT_EQ(Interactions::hour(25 * kHourMs + 1), 1);
  EXPECT_EQ(interactions.effect(7, kHourMs, 5), interactions.effect(7, 25 * kHourMs + 1, 5));
  EXPECT_NE(interactions.effect(7, kHourMs, 5), interactions.effect(7, 2 * kHourMs, 5));
}

TEST(Interactions, AreTheSameForTheSameSeedAndOthersForAnother) {
  const Interactions a(options()), same(options()), other(options(2));
  int equal = 0;
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(a.effect(i, 0, i), same.effect(i, 0, i));
    equal += a.effect(i, 0, i) == other.effect(i, 0, i);
  }
  EXPECT_LT(equal, 3);
}

}  // namespace
}  // namespace lemur
