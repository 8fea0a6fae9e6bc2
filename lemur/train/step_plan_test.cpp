#include "lemur/train/step_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

std::vector<uint64_t> make_keys(size_t count) {
  std::vector<uint64_t> keys(count);
  for (size_t i = 0; i < count; ++i) keys[i] = mix(i);
  return keys;
}

StepPlan plan(const BankOptions& options, int64_t step, const std::vector<uint64_t>& keys,
              bool present, bool clicked = false) {
  std::unique_ptr<bool[]> all(new bool[keys.size()]), clicks(new bool[keys.size()]);
  std::fill_n(all.get(), keys.size(), present);
  std::fill_n(clicks.get(), keys.size(), clicked);
  return plan_step(options, 1, step, keys, {all.get(), keys.size()}, {clicks.get(), keys.size()});
}

TEST(StepPlan, HoldsEveryDocumentOnce) {
  for (size_t count : {0, 1, 31, 32, 33, 1000}) {
    StepPlan p = plan({.forward = 0.5, .backward = 0.25}, 3, make_keys(count), true);
    std::vector<uint32_t> all = p.graph;
    all.insert(all.end(), p.forward_only.begin(), p.forward_only.end());
    all.insert(all.end(), p.stored.begin(), p.stored.end());
    std::sort(all.begin(), all.end());
    std::vector<uint32_t> expected(count);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(all, expected);
  }
}

TEST(StepPlan, DrawsTheSharesThatAreAskedFor) {
  StepPlan p = plan({.forward = 0.5, .backward = 0.2}, 3, make_keys(20000), true);
  EXPECT_NEAR(static_cast<double>(p.graph.size()) / 20000, 0.2, 0.01);
  EXPECT_NEAR(static_cast<double>(p.graph.size() + p.forward_only.size()) / 20000, 0.5, 0.01);
}

TEST(StepPlan, EncodesWhatTheBankLacksAlways) {
  StepPlan p = plan({.forward = 0.1, .backward = 0.05}, 3, make_keys(20000), false);
  EXPECT_TRUE(p.stored.empty());
  EXPECT_NEAR(static_cast<double>(p.graph.size()) / 20000, 0.5, 0.02) << "q / p of what is encoded";
}

TEST(StepPlan, TakesEverythingWithoutABankAndAtFullShares) {
  auto keys = make_keys(33);
  EXPECT_EQ(plan({.enabled = false, .forward = 0.1, .backward = 0.1}, 1, keys, true).graph.size(),
            33u);
  EXPECT_EQ(plan({.forward = 1, .backward = 1}, 1, keys, true).graph.size(), 33u);
}

TEST(StepPlan, RefreshesTheMissingAndTheOldest) {
  const std::vector<int64_t> last = {5, kNeverWritten, 9, 2, 5, kNeverWritten, 7};
  EXPECT_EQ(plan_refresh(last, 9, 0), (std::vector<uint32_t>{}));
  EXPECT_EQ(plan_refresh(last, 9, 1), (std::vector<uint32_t>{1}));
  EXPECT_EQ(plan_refresh(last, 9, 4), (std::vector<uint32_t>{0, 1, 3, 5}));
  EXPECT_EQ(plan_refresh(last, 9, 100), (std::vector<uint32_t>{0, 1, 3, 4, 5, 6}))
      << "what was written in this step is fresh";
  EXPECT_TRUE(plan_refresh({}, 9, 3).empty());
}

TEST(StepPlan, DrawsEachDocumentAlikeOnOneAndTwoWorkers) {
  auto keys = make_keys(1000);
  BankOptions options{.forward = 0.2, .backward = 0.1};
  StepPlan whole = plan(options, 7, keys, true);
  std::vector<uint64_t> drawn, drawn_by_two;
  for (uint32_t i : whole.graph) drawn.push_back(keys[i]);
  for (size_t worker : {0, 1}) {
    std::vector<uint64_t> half;
    for (size_t i = worker; i < keys.size(); i += 2) half.push_back(keys[i]);
    for (uint32_t i : plan(options, 7, half, true).graph) drawn_by_two.push_back(half[i]);
  }
  std::sort(drawn.begin(), drawn.end());
  std::sort(drawn_by_two.begin(), drawn_by_two.end());
  EXPECT_FALSE(drawn.empty());
  EXPECT_EQ(drawn, drawn_by_two);
  EXPECT_NE(plan(options, 8, keys, true).graph, whole.graph) << "another step draws anew";
}

}  // namespace
}  // namespace lemur
