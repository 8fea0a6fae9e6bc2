#include "lemur/eval/bank_deciles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

std::vector<uint64_t> keys_of_documents(size_t count) {
  std::vector<uint64_t> keys(count);
  for (size_t i = 0; i < count; ++i) keys[i] = mix(i);
  return keys;
}

std::vector<PopularityGroup> groups_of(const std::vector<uint32_t>& shown, size_t most = 64,
                                       uint64_t seed = 1) {
  return group_by_popularity(keys_of_documents(shown.size()), shown, seed, most);
}

TEST(PopularityGroups, AreTenthsByImpressionsAndTheUnseen) {
  // Document i is shown 19 - i times: 19 of them make deciles of 1, 2, 2 ... documents.
  std::vector<uint32_t> shown(20);
  for (uint32_t i = 0; i < 20; ++i) shown[i] = 19 - i;
  const auto groups = groups_of(shown);
  ASSERT_EQ(groups.size(), 11u);
  EXPECT_EQ(groups[0].name, "1");
  EXPECT_EQ(groups[0].documents, 1);
  EXPECT_EQ(groups[0].sample, (std::vector<uint32_t>{18}));
  EXPECT_EQ(groups[1].sample, (std::vector<uint32_t>{16, 17}));
  EXPECT_EQ(groups[9].name, "10");
  EXPECT_EQ(groups[9].sample, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(groups[10].name, "unseen");
  EXPECT_EQ(groups[10].documents, 1);
  EXPECT_EQ(groups[10].sample, (std::vector<uint32_t>{19}));
}

TEST(PopularityGroups, OfFewDocumentsLeaveDecilesOut) {
  const auto groups = groups_of({5, 0, 9, 1, 0});
  ASSERT_EQ(groups.size(), 4u);  // of ranks 0, 1, 2 of 3
  EXPECT_EQ(groups[0].name, "4");
  EXPECT_EQ(groups[0].sample, (std::vector<uint32_t>{3}));
  EXPECT_EQ(groups[1].name, "7");
  EXPECT_EQ(groups[1].sample, (std::vector<uint32_t>{0}));
  EXPECT_EQ(groups[2].name, "10");
  EXPECT_EQ(groups[2].sample, (std::vector<uint32_t>{2}));
  EXPECT_EQ(groups[3].name, "unseen");
  EXPECT_EQ(groups[3].sample, (std::vector<uint32_t>{1, 4}));
  EXPECT_TRUE(groups_of({}).empty());
  EXPECT_EQ(groups_of({0, 0}).size(), 1u) << "training shows none";
  EXPECT_EQ(groups_of({3}).at(0).name, "10") << "a single one is shown most";
}

TEST(PopularityGroups, SpreadTiesAtRandomOverEqualDeciles) {
  std::vector<uint32_t> shown(1000, 1);
  std::fill_n(shown.begin(), 50, 2);
  const auto groups = groups_of(shown, 1000);
  ASSERT_EQ(groups.size(), 10u);
  std::set<uint32_t> all;
  for (const PopularityGroup& group : groups) {
    EXPECT_EQ(group.documents, 100) << group.name;
    all.insert(group.sample.begin(), group.sample.end());
  }
  EXPECT_EQ(all.size(), 1000u) << "each in one of them";
  for (uint32_t document = 0; document < 50; ++document)
    EXPECT_TRUE(std::ranges::binary_search(groups[9].sample, document)) << document;
  const auto& first = groups[0].sample;
  EXPECT_GT(first.back() - first.front(), 700u) << "not in the order of the documents";
}

TEST(PopularityGroups, DrawFixedSamplesOfAtMostSoMany) {
  const std::vector<uint32_t> shown(2000, 3);
  const auto groups = groups_of(shown);
  for (const PopularityGroup& group : groups) {
    EXPECT_EQ(group.documents, 200);
    EXPECT_EQ(group.sample.size(), 64u);
    EXPECT_TRUE(std::ranges::is_sorted(group.sample));
  }
  EXPECT_EQ(groups_of(shown)[4].sample, groups[4].sample);
  EXPECT_NE(groups_of(shown, 64, /*seed=*/2)[4].sample, groups[4].sample);
}

}  // namespace
}  // namespace lemur
