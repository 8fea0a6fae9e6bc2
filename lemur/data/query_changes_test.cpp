#include "lemur/data/query_changes.h"

#include <gtest/gtest.h>

namespace lemur {
namespace {

constexpr int64_t kMinute = 60'000;

TEST(QueryChanges, KnowsAReformulation) {
  EXPECT_TRUE(is_reformulation("red shoes", "red boots"));
  EXPECT_TRUE(is_reformulation("red", "red shoes")) << "a word added";
  EXPECT_TRUE(is_reformulation("shoos", "shoes")) << "a letter mended";
  EXPECT_FALSE(is_reformulation("red shoes", "red shoes")) << "the same again";
  EXPECT_FALSE(is_reformulation("red shoes", "weather")) << "something else";
  EXPECT_FALSE(is_reformulation("red", "bed linen"));
}

TEST(QueryChanges, CountsDistinctPairsOfUserAndQuery) {
  QueryChanges changes(30 * kMinute);
  changes.add("u1", 0, "shoes");
  changes.add("u1", kMinute, "red shoes");      // changes "shoes"
  changes.add("u1", 2 * kMinute, "weather");    // changes nothing
  changes.add("u1", 3 * kMinute, "shoes");      // a pair that is there
  changes.add("u1", 4 * kMinute, "red shoes");  // changes "shoes" again: counted once
  changes.add("u2", 5 * kMinute, "red shoes");  // another user, whose pair is another
  EXPECT_EQ(changes.counts().pairs, 4);
  EXPECT_EQ(changes.counts().changed, 1);
}

TEST(QueryChanges, EndsASessionWithAPause) {
  for (const auto& [pause, changed] :
       {std::pair{30 * kMinute, 1}, std::pair{30 * kMinute + 1, 0}}) {
    QueryChanges changes(30 * kMinute);
    changes.add("u", 0, "shoes");
    changes.add("u", pause, "red shoes");
    EXPECT_EQ(changes.counts().pairs, 2);
    EXPECT_EQ(changes.counts().changed, changed) << pause;
  }
}

TEST(QueryChanges, LooksAtTheNextQueryOnly) {
  QueryChanges changes(30 * kMinute);
  changes.add("u", 0, "shoes");
  changes.add("u", 1, "weather");
  changes.add("u", 2, "red shoes");
  EXPECT_EQ(changes.counts().changed, 0);
  EXPECT_EQ(QueryChanges(1).counts().pairs, 0);
}

}  // namespace
}  // namespace lemur
