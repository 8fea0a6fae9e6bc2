#include "lemur/eval/boosted_trees.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "lemur/base/error.h"
#include "lemur/base/testing.h"
#include "lemur/eval/metrics.h"

namespace lemur {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

/// Rows whose label is what `label_of` says of their inputs and of a draw from 0 to 1.
template <typename LabelOf>
TreeRows draw_tree_rows(size_t count, size_t columns, unsigned seed, const LabelOf& label_of) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> input(-1, 1), uniform(0, 1);
  TreeRows rows;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float> row(columns);
    for (float& value : row) value = input(random);
    const bool label = label_of(row, uniform(random));
    rows.inputs.insert(rows.inputs.end(), row.begin(), row.end());
    rows.labels.push_back(label ? 1 : 0);
    rows.weights.push_back(1);
  }
  return rows;
}

double mean_of(const std::vector<float>& values) {
  double sum = 0;
  for (float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

TEST(BoostedTrees, LearnWhatOnlyTwoInputsTogetherTell) {
  const auto one_of_two = [](const std::vector<float>& row, float) {
    return (row[0] > 0) != (row[1] > 0);
  };
  const BoostedTrees trees(draw_tree_rows(4000, 3, 1, one_of_two), {.most_rounds = 50});
  const TreeRows others = draw_tree_rows(2000, 3, 2, one_of_two);
  EXPECT_EQ(trees.rounds(), 50);
  EXPECT_GT(*compute_auc(trees.probabilities(others.inputs), others.labels), 0.95);
  for (size_t column : {0U, 1U}) {  // which a sum of a function of each cannot rank
    std::vector<float> alone;
    for (size_t i = 0; i < others.labels.size(); ++i)
      alone.push_back(others.inputs[3 * i + column]);
    EXPECT_NEAR(*compute_auc(alone, others.labels), 0.5, 0.06);
  }
}

TEST(BoostedTrees, HaveAsManyRoundsAsJudgesBest) {
  const auto noisy = [](const std::vector<float>& row, float uniform) {
    return uniform < (row[0] > 0 ? 0.6F : 0.4F);
  };
  const TreeRows rows = draw_tree_rows(1000, 5, 1, noisy),
                 valid = draw_tree_rows(1000, 5, 2, noisy);
  std::vector<double> found;
  const auto judge = [&](const std::vector<float>& probabilities) {
    found.push_back(*compute_auc(probabilities, valid.labels));
    return found.back();
  };
  const BoostedTrees trees(rows, {.most_rounds = 400, .rounds_to_judgement = 5, .patience = 40},
                           valid.inputs, judge);
  const size_t best = static_cast<size_t>(std::ranges::max_element(found) - found.begin());
  EXPECT_EQ(trees.rounds(), 5 * static_cast<int64_t>(best + 1));
  EXPECT_EQ(found.size(), best + 1 + 40 / 5) << "it went on for as long as its patience, no longer";
  EXPECT_EQ(*compute_auc(trees.probabilities(valid.inputs), valid.labels), found[best])
      << "of the best rounds, not of all";
}

TEST(BoostedTrees, TakeTheLastRoundsWhereTheyAreTheBest) {
  const auto by_first = [](const std::vector<float>& row, float) { return row[0] > 0; };
  const TreeRows rows = draw_tree_rows(200, 2, 1, by_first);
  double value = 0;
  const auto better_and_better = [&](const std::vector<float>&) { return value += 1; };
  const BoostedTreesOptions options{.most_rounds = 23, .rounds_to_judgement = 10, .patience = 10};
  EXPECT_EQ(BoostedTrees(rows, options, rows.inputs, better_and_better).rounds(), 23);
  EXPECT_EQ(value, 3) << "after 10, 20 and 23";
}

TEST(BoostedTrees, KnowWhatIsMissingFromEveryNumber) {
  // Missing is as good as certain; numbers of either sign are not.
  std::mt19937 random(3);
  TreeRows rows = draw_tree_rows(
      4000, 2, 1, [](const std::vector<float>&, float uniform) { return uniform < 0.2F; });
  for (size_t i = 0; i < rows.labels.size(); ++i)
    if (random() % 5 == 0) rows.inputs[2 * i] = kMissing, rows.labels[i] = random() % 10 != 0;
  const BoostedTrees trees(rows, {.most_rounds = 50});
  const std::vector<float> found =
      trees.probabilities(std::vector<float>{kMissing, 0, -1, 0, 0, 0, 1, 0});
  EXPECT_GT(found[0], 0.75);
  for (size_t i : {1U, 2U, 3U}) EXPECT_LT(found[i], 0.45) << i;
}

TEST(BoostedTrees, GiveTheProbabilityBeforeTheDrawing) {
  // A twentieth clicked; of the unclicked a fifth is drawn, which makes the odds five times as
  // high.
  const auto rare = [](const std::vector<float>& row, float uniform) {
    return uniform < (row[0] > 0 ? 0.08F : 0.02F);
  };
  const TreeRows all = draw_tree_rows(40000, 2, 1, rare);
  std::mt19937 random(4);
  TreeRows drawn;
  for (size_t i = 0; i < all.labels.size(); ++i) {
    if (all.labels[i] == 0 && random() % 5 != 0) continue;
    drawn.inputs.insert(drawn.inputs.end(), {all.inputs[2 * i], all.inputs[2 * i + 1]});
    drawn.labels.push_back(all.labels[i]);
    drawn.weights.push_back(1);
    drawn.log_odds_shift.push_back(std::log(5.0F));
  }
  const BoostedTrees trees(drawn, {.most_rounds = 30});
  EXPECT_NEAR(mean_of(trees.probabilities(all.inputs)) / mean_of(all.labels), 1, 0.05);
  const std::vector<float> found = trees.probabilities(std::vector<float>{0.5F, 0, -0.5F, 0});
  EXPECT_NEAR(found[0], 0.08, 0.03);
  EXPECT_NEAR(found[1], 0.02, 0.015);
  drawn.log_odds_shift.clear();
  EXPECT_GT(mean_of(BoostedTrees(drawn, {.most_rounds = 30}).probabilities(all.inputs)),
            3 * mean_of(all.labels));
}

TEST(BoostedTrees, CountARowAsOftenAsItsWeightSays) {
  TreeRows rows;  // equal rows, of which the clicked weigh three times as much
  for (size_t i = 0; i < 1000; ++i) {
    rows.inputs.push_back(1);
    rows.labels.push_back(i % 2 == 0 ? 1 : 0);
    rows.weights.push_back(i % 2 == 0 ? 3 : 1);
  }
  const BoostedTrees trees(rows, {.most_rounds = 20});
  EXPECT_NEAR(trees.probabilities(std::vector<float>{1})[0], 0.75, 0.01);
}

TEST(BoostedTrees, AreTheSameTwice) {
  const auto noisy = [](const std::vector<float>& row, float uniform) {
    return uniform < 0.5F + 0.3F * row[0] * row[1];
  };
  const TreeRows rows = draw_tree_rows(2000, 4, 1, noisy);
  const BoostedTreesOptions options{.most_rounds = 40, .threads = 2};
  EXPECT_EQ(BoostedTrees(rows, options).probabilities(rows.inputs),
            BoostedTrees(rows, options).probabilities(rows.inputs));
}

TEST(BoostedTrees, OfRowsOfOneLabelAreSureOfIt) {
  TreeRows rows = draw_tree_rows(500, 2, 1, [](const std::vector<float>&, float) { return false; });
  for (float probability : BoostedTrees(rows, {.most_rounds = 20}).probabilities(rows.inputs))
    EXPECT_LT(probability, 0.01);
}

TEST(BoostedTrees, RefuseWhatIsNoTable) {
  const auto any = [](const std::vector<float>& row, float) { return row[0] > 0; };
  const TreeRows rows = draw_tree_rows(10, 3, 1, any);
  const auto refuses = [](const TreeRows& wrong, const std::string& part) {
    expect_error<InvalidArgument>([&] { BoostedTrees(wrong, {.most_rounds = 1}); }, part);
  };
  refuses({}, "no rows to learn from");
  TreeRows wrong = rows;
  wrong.inputs.pop_back();
  refuses(wrong, "10 rows with 29 inputs");
  wrong = rows;
  wrong.weights.pop_back();
  refuses(wrong, "9 weights");
  wrong = rows;
  wrong.log_odds_shift = {1};
  refuses(wrong, "1 shifts");
  expect_error<InvalidArgument>([&] { BoostedTrees(rows, {.most_rounds = 0}); }, "0 rounds");
  const BoostedTrees trees(rows, {.most_rounds = 1});
  expect_error<InvalidArgument>([&] { trees.probabilities(std::vector<float>(4)); },
                                "4 inputs are no rows of 3");
  EXPECT_TRUE(trees.probabilities({}).empty());
  wrong = rows;
  wrong.inputs[4] = std::numeric_limits<float>::infinity();
  expect_error<DataError>([&] { BoostedTrees(wrong, {.most_rounds = 1}); },
                          "[eval] gradient-boosted trees: ");
}

}  // namespace
}  // namespace lemur
