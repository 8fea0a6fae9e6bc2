#include "lemur/train/expected_refresh.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "lemur/train/step_plan.h"

namespace lemur {
namespace {

using Documents = std::vector<uint32_t>;

TEST(ExpectedRefresh, TakesTheLargestReadsTimesAgeSquared) {
  const ExpectedRefresh refresh({4, 0, 1, 9, 2, 4});
  const Documents all = {0, 2, 3, 4, 5};  // 1 is never read
  EXPECT_EQ(refresh.candidates(1, 10, 2), all) << "all, where they are no more than the draws";
  // Ages 5, 11, 3, 0, 5 at step 10: 4 * 25, 1 * 121, 9 * 9, none, 4 * 25.
  const std::vector<int64_t> last = {5, kNeverWritten, 7, 10, 5};
  EXPECT_EQ(refresh.choose(all, last, 10, 0), Documents{});
  EXPECT_EQ(refresh.choose(all, last, 10, 1), (Documents{2})) << "missing is older than any";
  EXPECT_EQ(refresh.choose(all, last, 10, 2), (Documents{0, 2})) << "of equals the first";
  EXPECT_EQ(refresh.choose(all, last, 10, 3), (Documents{0, 2, 5}));
  EXPECT_EQ(refresh.choose(all, last, 10, 9), (Documents{0, 2, 3, 5})) << "4 is fresh";
}

TEST(ExpectedRefresh, BeginsWithWhatIsReadMost) {
  const ExpectedRefresh refresh({1, 7, 3, 5});
  EXPECT_EQ(refresh.choose(Documents{0, 1, 2, 3}, std::vector<int64_t>(4, kNeverWritten), 1, 2),
            (Documents{1, 3}));
}

TEST(ExpectedRefresh, ChoosesNothingWhereNothingIsRead) {
  for (const std::vector<uint64_t>& reads : {std::vector<uint64_t>{}, {0, 0, 0}}) {
    const ExpectedRefresh refresh(reads);
    EXPECT_EQ(refresh.candidates(1, 1, 5), Documents{});
    EXPECT_EQ(refresh.choose({}, {}, 1, 5), Documents{});
  }
  EXPECT_EQ(ExpectedRefresh({1, 1}).candidates(1, 1, 0), Documents{});
}

TEST(ExpectedRefresh, DrawsInProportionToTheRootOfReads) {
  std::vector<uint64_t> reads(1000, 1);
  reads[3] = 0;
  reads[10] = 10000;  // 100 of 1098 of the roots
  const ExpectedRefresh refresh(reads);
  int64_t drawn = 0, of_ten = 0;
  for (int64_t step = 1; step <= 2000; ++step) {
    const Documents candidates = refresh.candidates(7, step, 1);
    EXPECT_LE(std::ssize(candidates), ExpectedRefresh::kCandidates);
    EXPECT_TRUE(std::ranges::is_sorted(candidates));
    EXPECT_EQ(std::ranges::adjacent_find(candidates), candidates.end()) << "distinct";
    EXPECT_FALSE(std::ranges::binary_search(candidates, 3U)) << "never read";
    of_ten += std::ranges::binary_search(candidates, 10U);
    drawn += std::ssize(candidates);
  }
  // 16 draws miss it with probability (1 - 100 / 1098)^16 = 0.217.
  EXPECT_NEAR(static_cast<double>(of_ten) / 2000, 0.783, 0.03);
  EXPECT_GT(drawn, 2000 * 14);
}

TEST(ExpectedRefresh, DrawsAlikeWheneverItIsMade) {
  const std::vector<uint64_t> reads(500, 2);
  const ExpectedRefresh first(reads), second(reads);
  for (const int64_t step : {1, 2, 1000}) {
    first.candidates(1, step + 1, 3);  // leaves no trace
    EXPECT_EQ(first.candidates(1, step, 3), second.candidates(1, step, 3));
  }
  EXPECT_NE(first.candidates(1, 5, 3), first.candidates(1, 6, 3)) << "another step draws anew";
  EXPECT_NE(first.candidates(1, 5, 3), first.candidates(2, 5, 3)) << "another seed too";
}

/// Spends a budget of 10 a step on 100 documents of 100 reads and 900 of one. Returns the share
/// that the 900 got after the first 400 of 1000 steps, and their mean age then.
std::pair<double, double> share_and_age_of_tail() {
  constexpr int64_t kHead = 100, kAll = 1000, kBudget = 10;
  std::vector<uint64_t> reads(kAll, 1);
  std::fill_n(reads.begin(), kHead, 100);
  const ExpectedRefresh refresh(reads);
  std::vector<int64_t> written(kAll, kNeverWritten);
  double tail = 0, all = 0, age = 0;
  for (int64_t step = 1; step <= 1000; ++step) {
    const Documents candidates = refresh.candidates(1, step, kBudget);
    std::vector<int64_t> last;
    for (const uint32_t document : candidates) last.push_back(written[document]);
    for (const uint32_t document : refresh.choose(candidates, last, step, kBudget)) {
      written[document] = step;
      if (step > 400) ++all, tail += document >= kHead;
    }
    if (step <= 400) continue;
    for (int64_t document = kHead; document < kAll; ++document)
      age += static_cast<double>(step - written[static_cast<size_t>(document)]);
  }
  return {tail / all, age / (600 * (kAll - kHead))};
}

TEST(ExpectedRefresh, GivesTheTailTheShareOfItsRoots) {
  // Intervals in the ratio 1 to sqrt(100): 100 / T + 900 / (10 T) = 10 makes T = 19, and 900 / 190
  // of 10 the tail's, whose mean age is half of 190. By reads alone it would get 8 %.
  const auto [share, age] = share_and_age_of_tail();
  EXPECT_NEAR(share, 900.0 / 190 / 10, 0.02);
  EXPECT_NEAR(age, 95, 5);
}

}  // namespace
}  // namespace lemur
