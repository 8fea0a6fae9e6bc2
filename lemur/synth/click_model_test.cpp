#include "lemur/synth/click_model.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lemur {
namespace {

TEST(ClickHistogram, CountsPairsAndHalfTies) {
  ClickHistogram histogram;
  EXPECT_EQ(histogram.auc(), 0.5);
  histogram.add(0.3, true);
  EXPECT_EQ(histogram.auc(), 0.5);
  histogram.add(0.1, false), histogram.add(0.3, false), histogram.add(0.9, false);
  EXPECT_EQ(histogram.auc(), 0.5);
  histogram.add(1.0, true);
  EXPECT_EQ(histogram.auc(), (1 + 0.5 + 3) / 6);
}

TEST(ShareCounter, SplitsTheVarianceOfIndependentParts) {
  ShareCounter counter;
  EXPECT_EQ(counter.shares().match, 0);
  Random random(1, 1);
  for (int i = 0; i < 100000; ++i)
    counter.add({{random.normal() + 5, 2 * random.normal(), 0, 0, 0, -7}});
  VarianceShares shares = counter.shares();
  EXPECT_NEAR(shares.match, 0.2, 0.01);
  EXPECT_NEAR(shares.long_interest, 0.8, 0.01);
  EXPECT_NEAR(shares.position, 0, 1e-9);
}

TEST(ShareCounter, GivesNothingWhereNothingVaries) {
  ShareCounter counter;
  for (int i = 0; i < 33; ++i) counter.add({{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}});
  EXPECT_EQ(counter.shares().match, 0);
}

TEST(ClickParts, FollowTheTopicsOfQueryUserAndDocument) {
  WorldOptions options;
  options.documents = 50;
  Lexicon lexicon({.topics = options.topics}, 1);
  WorldDocuments catalogue(options, lexicon);
  ClickEffects effects{.intercept = -1,
                       .match = 2,
                       .long_interest = 3,
                       .short_interest = 5,
                       .quality = 7,
                       .author = 11,
                       .position = -1,
                       .interactions = 13};
  for (uint32_t i = 0; i < 50; ++i) {
    const Document& document = catalogue.documents()[i];
    User user;
    user.interest = document.topics;
    user.passing_topic = static_cast<uint16_t>(document.topics.topic(0));
    double main = document.topics.weight_of(document.topics.topic(0));
    Search search{.time_ms = 0,
                  .user = 0,
                  .topic = document.topics.topic(0),
                  .query = "",
                  .abandoned = false};
    ClickParts parts = click_parts(effects, catalogue, search, user, i, 3, 0.5);
    EXPECT_NEAR(parts.values[0], 2 * main, 1e-6);
    EXPECT_NEAR(parts.values[1], 3, 1e-5);
    EXPECT_NEAR(parts.values[2], 5 * main, 1e-6);
    EXPECT_NEAR(parts.values[3], 7 * document.quality, 1e-5);
    EXPECT_NEAR(parts.values[4], 11 * catalogue.appeal(document.author), 1e-5);
    EXPECT_NEAR(parts.values[5], -2, 1e-9);
    EXPECT_NEAR(parts.values[6], 6.5, 1e-9);
  }
}

}  // namespace
}  // namespace lemur
