#include "lemur/eval/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "lemur/base/error.h"

namespace lemur {
namespace {

struct World {
  std::vector<float> scores, labels, weights;
  std::vector<uint64_t> requests, users;

  ScoredRows rows() const { return {scores, labels, weights, requests, users}; }
};

/// Draws rows; scores are multiples of 1/16, so that ties abound.
World draw(size_t size, uint64_t seed, bool weighted) {
  std::mt19937_64 random(seed);
  World world;
  for (size_t i = 0; i < size; ++i) {
    world.scores.push_back(static_cast<float>(random() % 17) / 16);
    world.labels.push_back(static_cast<float>(random() % 3 == 0));
    world.weights.push_back(weighted ? static_cast<float>(random() % 4) : 1);
    world.requests.push_back(random() % (size / 5 + 1) * 7919);
    world.users.push_back(random() % (size / 20 + 1));
  }
  return world;
}

/// AUC of the given rows by counting every pair.
std::optional<double> count_pairs(const World& world, const std::vector<size_t>& rows) {
  double wins = 0, pairs = 0;
  for (size_t i : rows)
    for (size_t j : rows) {
      if (world.labels[i] != 1 || world.labels[j] != 0) continue;
      double weight = static_cast<double>(world.weights[i]) * world.weights[j];
      pairs += weight;
      if (world.scores[i] > world.scores[j]) wins += weight;
      if (world.scores[i] == world.scores[j]) wins += weight / 2;
    }
  return pairs > 0 ? std::optional(wins / pairs) : std::nullopt;
}

/// Mean of count_pairs over the groups where it is defined: {equal weight, weighted by rows}.
std::pair<std::optional<double>, std::optional<double>> count_pairs_by(
    const World& world, const std::vector<uint64_t>& groups) {
  std::map<uint64_t, std::vector<size_t>> members;
  for (size_t i = 0; i < groups.size(); ++i) members[groups[i]].push_back(i);
  double sum = 0, count = 0, weighted_sum = 0, weight = 0;
  for (const auto& [group, rows] : members) {
    auto auc = count_pairs(world, rows);
    if (!auc) continue;
    double impressions = 0;
    for (size_t i : rows) impressions += world.weights[i];
    sum += *auc;
    count += 1;
    weighted_sum += *auc * impressions;
    weight += impressions;
  }
  if (count == 0) return {};
  return {sum / count, weighted_sum / weight};
}

void expect_same(const std::optional<double>& actual, const std::optional<double>& expected) {
  ASSERT_EQ(actual.has_value(), expected.has_value());
  if (actual.has_value()) {
    EXPECT_NEAR(*actual, *expected, 1e-12);
  }
}

/// Metrics of one request whose rows have these scores and labels.
Metrics of_one_request(std::vector<float> scores, std::vector<float> labels) {
  std::vector<uint64_t> requests(scores.size(), 1);
  return compute_metrics({.scores = scores, .labels = labels, .requests = requests});
}

/// Mean of `of(labels by rank)` over all orders that sort the scores descending.
template <typename Of>
double over_tied_orders(const std::vector<float>& scores, const std::vector<float>& labels, Of of) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  double sum = 0, count = 0;
  do {
    bool sorted = true;
    for (size_t i = 1; i < order.size(); ++i) sorted &= scores[order[i - 1]] >= scores[order[i]];
    if (!sorted) continue;
    std::vector<float> ranked;
    for (size_t i : order) ranked.push_back(labels[i]);
    sum += of(ranked);
    count += 1;
  } while (std::next_permutation(order.begin(), order.end()));
  return sum / count;
}

double plain_ndcg(std::vector<float> ranked, size_t cut) {
  auto dcg = [&] {
    double sum = 0;
    for (size_t i = 0; i < std::min(cut, ranked.size()); ++i)
      sum += ranked[i] / std::log2(static_cast<double>(i) + 2);
    return sum;
  };
  double actual = dcg();
  std::sort(ranked.rbegin(), ranked.rend());
  return actual / dcg();
}

double plain_reciprocal_rank(const std::vector<float>& ranked) {
  auto first = std::find(ranked.begin(), ranked.end(), 1.0F);
  return 1.0 / static_cast<double>(first - ranked.begin() + 1);
}

template <typename E, typename Call>
void expect_error(Call call, const std::string& message) {
  try {
    call();
    ADD_FAILURE() << "no error: " << message;
  } catch (const E& error) {
    EXPECT_EQ(error.what(), message);
  }
}

TEST(Metrics, AucsEqualPairCountingWithTiesAndWeights) {
  for (size_t size : {0, 1, 2, 31, 32, 33, 1000})
    for (bool weighted : {false, true}) {
      SCOPED_TRACE(testing::Message() << size << " rows, weighted " << weighted);
      World world = draw(size, size + 1, weighted);
      std::vector<size_t> all(size);
      std::iota(all.begin(), all.end(), 0);
      Metrics metrics = compute_metrics(world.rows());
      EXPECT_EQ(metrics.rows, static_cast<int64_t>(size));
      expect_same(metrics.auc, count_pairs(world, all));
      auto [qauc, qauc_weighted] = count_pairs_by(world, world.requests);
      expect_same(metrics.qauc, qauc);
      expect_same(metrics.qauc_weighted, qauc_weighted);
      expect_same(metrics.uauc, count_pairs_by(world, world.users).first);
      expect_same(compute_auc(world.scores, world.labels),
                  compute_metrics({.scores = world.scores, .labels = world.labels}).auc);
    }
}

TEST(Metrics, WeightsActAsRepeatedRowsWhereRanksDoNotCount) {
  World world = draw(200, 5, true), repeated;
  for (size_t i = 0; i < world.scores.size(); ++i)
    for (float copy = 0; copy < world.weights[i]; ++copy) {
      repeated.scores.push_back(world.scores[i]);
      repeated.labels.push_back(world.labels[i]);
      repeated.requests.push_back(world.requests[i]);
      repeated.users.push_back(world.users[i]);
    }
  Metrics actual = compute_metrics(world.rows()), expected = compute_metrics(repeated.rows());
  ASSERT_NE(actual.rows, expected.rows);
  for (auto member : {&Metrics::auc, &Metrics::qauc, &Metrics::qauc_weighted, &Metrics::uauc,
                      &Metrics::log_loss, &Metrics::calibration, &Metrics::ece}) {
    ASSERT_TRUE((actual.*member).has_value());
    expect_same(actual.*member, expected.*member);
  }
  EXPECT_EQ(actual.requests_with_both, expected.requests_with_both);
}

TEST(Metrics, DoNotDependOnTheOrderOfTheRows) {
  World world = draw(500, 6, false), shuffled;
  std::vector<size_t> order(world.scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(7));
  for (size_t i : order) {
    shuffled.scores.push_back(world.scores[i]);
    shuffled.labels.push_back(world.labels[i]);
    shuffled.weights.push_back(world.weights[i]);
    shuffled.requests.push_back(world.requests[i]);
    shuffled.users.push_back(world.users[i]);
  }
  Metrics a = compute_metrics(world.rows()), b = compute_metrics(shuffled.rows());
  for (auto member : {&Metrics::auc, &Metrics::qauc, &Metrics::log_loss, &Metrics::ndcg_at_5,
                      &Metrics::ndcg_at_10, &Metrics::mrr, &Metrics::ece})
    expect_same(a.*member, b.*member);
}

TEST(Metrics, RankARequestAsWrittenByHand) {
  // By score: 0 1 0 1.
  Metrics metrics = of_one_request({0.2F, 0.9F, 0.8F, 0.4F}, {1, 0, 1, 0});
  EXPECT_NEAR(*metrics.ndcg_at_5, (1 / std::log2(3) + 1 / std::log2(5)) / (1 + 1 / std::log2(3)),
              1e-12);
  EXPECT_NEAR(*metrics.ndcg_at_5, 0.650920, 1e-6);
  EXPECT_DOUBLE_EQ(*metrics.mrr, 0.5);
  EXPECT_DOUBLE_EQ(*metrics.qauc, 0.25);
  EXPECT_EQ(metrics.requests_with_both, 1);
}

TEST(Metrics, NdcgLooksNoFurtherThanItsCut) {
  // The only positive is sixth of seven.
  Metrics metrics =
      of_one_request({0.7F, 0.6F, 0.5F, 0.4F, 0.3F, 0.2F, 0.1F}, {0, 0, 0, 0, 0, 1, 0});
  EXPECT_EQ(*metrics.ndcg_at_5, 0);
  EXPECT_NEAR(*metrics.ndcg_at_10, 1 / std::log2(7), 1e-12);
  EXPECT_NEAR(*metrics.mrr, 1.0 / 6, 1e-12);
}

TEST(Metrics, NdcgAndMrrAreTheMeanOverTheOrdersOfTies) {
  std::mt19937_64 random(8);
  int requests = 0;
  while (requests < 40) {
    std::vector<float> scores, labels;
    for (int i = 0; i < 7; ++i) {
      scores.push_back(static_cast<float>(random() % 3) / 4);
      labels.push_back(static_cast<float>(random() % 3 == 0));
    }
    float clicks = std::accumulate(labels.begin(), labels.end(), 0.0F);
    if (clicks == 0 || clicks == 7) continue;
    ++requests;
    Metrics metrics = of_one_request(scores, labels);
    auto ndcg = [](size_t cut) { return [cut](auto ranked) { return plain_ndcg(ranked, cut); }; };
    EXPECT_NEAR(*metrics.ndcg_at_5, over_tied_orders(scores, labels, ndcg(5)), 1e-12);
    EXPECT_NEAR(*metrics.ndcg_at_10, over_tied_orders(scores, labels, ndcg(10)), 1e-12);
    EXPECT_NEAR(*metrics.mrr, over_tied_orders(scores, labels, plain_reciprocal_rank), 1e-12);
  }
}

TEST(Metrics, LogLossCalibrationAndEceAsWrittenByHand) {
  std::vector<float> scores = {0.25F, 0.5F, 0.75F}, labels = {0, 1, 0}, weights = {1, 2, 1};
  Metrics metrics = compute_metrics({.scores = scores, .labels = labels, .weights = weights});
  EXPECT_NEAR(*metrics.log_loss, -(std::log(0.75) + 2 * std::log(0.5) + std::log(0.25)) / 4, 1e-12);
  EXPECT_DOUBLE_EQ(*metrics.calibration, 1.0);
  // Each score has a bin of its own: |0.25 - 0| / 4 + |0.5 - 1| * 2 / 4 + |0.75 - 0| / 4.
  EXPECT_NEAR(*metrics.ece, 0.5, 1e-12);
  EXPECT_FALSE(metrics.qauc.has_value());
}

TEST(Metrics, EceIsZeroWhereScoresAreTheFrequencies) {
  std::vector<float> scores, labels;
  for (int i = 0; i < 400; ++i) {
    scores.push_back(i < 200 ? 0.25F : 0.75F);
    labels.push_back(static_cast<float>(i < 200 ? i % 4 == 0 : i % 4 != 0));
  }
  Metrics metrics = compute_metrics({.scores = scores, .labels = labels});
  EXPECT_NEAR(*metrics.ece, 0, 1e-12);
  EXPECT_DOUBLE_EQ(*metrics.calibration, 1);
}

TEST(Metrics, CalibrationBinsAreTheMeansByAscendingScore) {
  std::vector<float> scores = {0.75F, 0.25F, 0.5F, 0.5F}, labels = {0, 0, 1, 0},
                     weights = {1, 2, 3, 1};
  Metrics metrics = compute_metrics({.scores = scores, .labels = labels, .weights = weights});
  EXPECT_EQ(metrics.calibration_to_json().dump(),
            R"([{"prediction":0.25,"observed":0.0,"weight":2.0},)"
            R"({"prediction":0.5,"observed":0.75,"weight":4.0},)"
            R"({"prediction":0.75,"observed":0.0,"weight":1.0}])");
}

TEST(Metrics, CalibrationBinsAreAtMostTwentyAndHoldEveryRow) {
  std::vector<float> scores, labels;
  for (int i = 0; i < 1000; ++i) {
    scores.push_back(static_cast<float>(i) / 1000);
    labels.push_back(static_cast<float>(i % 2));
  }
  Metrics metrics = compute_metrics({.scores = scores, .labels = labels});
  ASSERT_EQ(metrics.calibration_bins.size(), 20u);
  double weight = 0;
  for (const CalibrationBin& bin : metrics.calibration_bins) weight += bin.weight;
  EXPECT_EQ(weight, 1000);
  EXPECT_EQ(compute_metrics({}).calibration_to_json().dump(), "[]");
}

TEST(Metrics, LogLossOfASureMistakeIsFinite) {
  std::vector<float> scores = {1, 0}, labels = {0, 1};
  Metrics metrics = compute_metrics({.scores = scores, .labels = labels});
  EXPECT_NEAR(*metrics.log_loss, -std::log(1e-7), 1e-6);
}

TEST(Metrics, OfOneLabelAreNullWhereUndefined) {
  std::vector<float> scores = {0.5F, 0.25F}, labels = {0, 0};
  std::vector<uint64_t> keys = {1, 1};
  auto json = compute_metrics({scores, labels, {}, keys, keys}).to_json();
  EXPECT_EQ(json["rows"], 2);
  for (const char* name :
       {"auc", "qauc", "qauc_weighted", "uauc", "ndcg_at_5", "ndcg_at_10", "mrr", "calibration"})
    EXPECT_TRUE(json.at(name).is_null()) << name;
  EXPECT_NEAR(json["ece"].get<double>(), 0.375, 1e-12);
  EXPECT_GT(json["log_loss"].get<double>(), 0);
}

TEST(Metrics, OfNoRowsAreNullInTheDocumentedOrder) {
  EXPECT_EQ(compute_metrics({}).to_json().dump(),
            R"({"rows":0,"auc":null,"qauc":null,"qauc_weighted":null,"uauc":null,"log_loss":null,)"
            R"("ndcg_at_5":null,"ndcg_at_10":null,"mrr":null,"calibration":null,"ece":null})");
}

TEST(Metrics, RefuseWhatIsNoProbabilityLabelOrWeight) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> good = {0, 1};
  auto with = [&](std::vector<float> scores, std::vector<float> labels,
                  std::vector<float> weights) {
    return [=] { compute_metrics({scores, labels, weights, {}, {}}); };
  };
  expect_error<DataError>(with({0, nan}, good, {}),
                          "[metrics] score nan of row 1 is no probability");
  expect_error<DataError>(with({1.5F, 0}, good, {}),
                          "[metrics] score 1.5 of row 0 is no probability");
  expect_error<DataError>(with(good, {0, 2}, {}), "[metrics] label 2 of row 1; expected 0 or 1");
  expect_error<DataError>(with(good, good, {1, -1}),
                          "[metrics] weight -1 of row 1 is negative or not finite");
  expect_error<InvalidArgument>(with(good, {0}, {}), "[metrics] 1 labels for 2 scores");
  expect_error<InvalidArgument>(with(good, good, {1}), "[metrics] 1 weights for 2 scores");
  std::vector<float> scores = {0, nan};
  expect_error<DataError>([&] { compute_auc(scores, good); }, "[metrics] score of row 1 is NaN");
}

}  // namespace
}  // namespace lemur
