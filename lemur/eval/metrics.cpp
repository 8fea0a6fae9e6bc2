#include "lemur/eval/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr double kClamp = 1e-7;
constexpr size_t kBins = 20;

struct Item {
  uint64_t group;
  float score, weight;
  bool positive;
};
using Items = std::span<const Item>;

struct Mean {
  double sum = 0, weight = 0;

  void add(double value, double by = 1) {
    sum += by * value;
    weight += by;
  }
  std::optional<double> value() const {
    return weight > 0 ? std::optional(sum / weight) : std::nullopt;
  }
};

void check_length(size_t length, size_t expected, const char* name, bool may_be_absent) {
  if (length != expected && !(may_be_absent && length == 0))
    fail<InvalidArgument>("metrics", "{} {} for {} scores", length, name, expected);
}

void check(const ScoredRows& rows) {
  size_t size = rows.scores.size();
  check_length(rows.labels.size(), size, "labels", false);
  check_length(rows.weights.size(), size, "weights", true);
  check_length(rows.requests.size(), size, "requests", true);
  check_length(rows.users.size(), size, "users", true);
  for (size_t i = 0; i < size; ++i) {
    if (!(rows.scores[i] >= 0 && rows.scores[i] <= 1))
      fail<DataError>("metrics", "score {} of row {} is no probability", rows.scores[i], i);
    if (rows.labels[i] != 0 && rows.labels[i] != 1)
      fail<DataError>("metrics", "label {} of row {}; expected 0 or 1", rows.labels[i], i);
    if (!rows.weights.empty() && !(rows.weights[i] >= 0 && std::isfinite(rows.weights[i])))
      fail<DataError>("metrics", "weight {} of row {} is negative or not finite", rows.weights[i],
                      i);
  }
}

/// Returns the rows of positive weight by ascending group, descending score.
std::vector<Item> sort_rows(const ScoredRows& rows, std::span<const uint64_t> groups) {
  std::vector<Item> items;
  items.reserve(rows.scores.size());
  for (size_t i = 0; i < rows.scores.size(); ++i) {
    float weight = rows.weights.empty() ? 1 : rows.weights[i];
    if (weight > 0)
      items.push_back({groups.empty() ? 0 : groups[i], rows.scores[i], weight, rows.labels[i] > 0});
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.group != b.group ? a.group < b.group : a.score > b.score;
  });
  return items;
}

/// Calls `visit(part)` for each run of neighbours that agree in `member`.
template <typename Member, typename Visit>
void for_each_run(Items items, Member Item::*member, Visit visit) {
  for (size_t begin = 0, end; begin < items.size(); begin = end) {
    end = begin + 1;
    while (end < items.size() && items[end].*member == items[begin].*member) ++end;
    visit(items.subspan(begin, end - begin));
  }
}

/// AUC of items by descending score, the weights multiplying each pair.
std::optional<double> auc_of(Items sorted) {
  double positives = 0, negatives = 0, wins = 0;
  for_each_run(sorted, &Item::score, [&](Items tied) {
    double tied_positives = 0, tied_negatives = 0;
    for (const Item& item : tied) (item.positive ? tied_positives : tied_negatives) += item.weight;
    wins += tied_negatives * (positives + 0.5 * tied_positives);
    positives += tied_positives;
    negatives += tied_negatives;
  });
  if (positives == 0 || negatives == 0) return std::nullopt;
  return wins / (positives * negatives);
}

double discounts(size_t begin, size_t end) {
  double sum = 0;
  for (size_t position = begin; position < end; ++position)
    sum += 1 / std::log2(static_cast<double>(position) + 2);
  return sum;
}

int64_t count_positives(Items items) {
  return std::count_if(items.begin(), items.end(), [](const Item& item) { return item.positive; });
}

/// Expected NDCG at `cut` of items by descending score. Requires: a positive among them.
double ndcg_of(Items sorted, size_t cut) {
  double gain = 0;
  size_t position = 0;
  for_each_run(sorted, &Item::score, [&](Items tied) {
    double share = static_cast<double>(count_positives(tied)) / static_cast<double>(tied.size());
    if (share > 0) gain += share * discounts(position, std::min(position + tied.size(), cut));
    position += tied.size();
  });
  return gain / discounts(0, std::min<size_t>(count_positives(sorted), cut));
}

/// Expected reciprocal rank of the first positive among items by descending score; 0 without one.
double reciprocal_rank_of(Items sorted) {
  auto first =
      std::find_if(sorted.begin(), sorted.end(), [](const Item& item) { return item.positive; });
  if (first == sorted.end()) return 0;
  float score = first->score;
  Items rest = sorted;
  double rank = 1;
  for (; rest.front().score > score; rest = rest.subspan(1)) ++rank;
  size_t tied_rows = 0;
  while (tied_rows < rest.size() && rest[tied_rows].score == score) ++tied_rows;
  double tied = static_cast<double>(tied_rows);
  double positives = static_cast<double>(count_positives(rest.first(tied_rows)));
  // Drawing the tied rows one by one: `none_yet` is the probability of no positive so far.
  double expected = 0;
  for (double none_yet = 1; none_yet > 0; --tied, ++rank) {
    expected += none_yet * positives / tied / rank;
    none_yet *= (tied - positives) / tied;
  }
  return expected;
}

/// Log loss, calibration and ECE of items by descending score.
void add_pointwise(Items sorted, Metrics& metrics) {
  Mean loss;
  double predicted = 0, observed = 0, mass = 0;
  for (const Item& item : sorted) mass += item.weight;
  std::array<CalibrationBin, kBins> bins{};  // sums, at first
  double above = 0;
  for_each_run(sorted, &Item::score, [&](Items tied) {
    double tied_mass = 0, tied_observed = 0;
    for (const Item& item : tied) {
      double p = std::clamp<double>(item.score, kClamp, 1 - kClamp);
      loss.add(-std::log(item.positive ? p : 1 - p), item.weight);
      tied_mass += item.weight;
      if (item.positive) tied_observed += item.weight;
    }
    double tied_predicted = tied_mass * tied.front().score;
    auto index = static_cast<size_t>(kBins * (above + tied_mass / 2) / mass);
    CalibrationBin& bin = bins[std::min(index, kBins - 1)];
    bin.prediction += tied_predicted;
    bin.observed += tied_observed;
    bin.weight += tied_mass;
    above += tied_mass;
    predicted += tied_predicted;
    observed += tied_observed;
  });
  metrics.log_loss = loss.value();
  if (observed > 0) metrics.calibration = predicted / observed;
  if (mass == 0) return;
  double error = 0;
  for (const CalibrationBin& bin : bins) {
    if (bin.weight == 0) continue;
    error += std::abs(bin.prediction - bin.observed) / mass;
    metrics.calibration_bins.push_back(
        {bin.prediction / bin.weight, bin.observed / bin.weight, bin.weight});
  }
  metrics.ece = error;
}

void add_by_request(const ScoredRows& rows, Metrics& metrics) {
  Mean qauc, qauc_weighted, ndcg_at_5, ndcg_at_10, mrr;
  for_each_run(sort_rows(rows, rows.requests), &Item::group, [&](Items request) {
    auto auc = auc_of(request);
    if (!auc) return;
    ++metrics.requests_with_both;
    double impressions = 0;
    for (const Item& item : request) impressions += item.weight;
    qauc.add(*auc);
    qauc_weighted.add(*auc, impressions);
    ndcg_at_5.add(ndcg_of(request, 5));
    ndcg_at_10.add(ndcg_of(request, 10));
    mrr.add(reciprocal_rank_of(request));
  });
  metrics.qauc = qauc.value();
  metrics.qauc_weighted = qauc_weighted.value();
  metrics.ndcg_at_5 = ndcg_at_5.value();
  metrics.ndcg_at_10 = ndcg_at_10.value();
  metrics.mrr = mrr.value();
}

void add_by_user(const ScoredRows& rows, Metrics& metrics) {
  Mean uauc;
  for_each_run(sort_rows(rows, rows.users), &Item::group, [&](Items user) {
    auto auc = auc_of(user);
    if (!auc) return;
    ++metrics.users_with_both;
    uauc.add(*auc);
  });
  metrics.uauc = uauc.value();
}

nlohmann::ordered_json or_null(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

nlohmann::ordered_json Metrics::to_json() const {
  return {{"rows", rows},
          {"auc", or_null(auc)},
          {"qauc", or_null(qauc)},
          {"qauc_weighted", or_null(qauc_weighted)},
          {"uauc", or_null(uauc)},
          {"log_loss", or_null(log_loss)},
          {"ndcg_at_5", or_null(ndcg_at_5)},
          {"ndcg_at_10", or_null(ndcg_at_10)},
          {"mrr", or_null(mrr)},
          {"calibration", or_null(calibration)},
          {"ece", or_null(ece)}};
}

nlohmann::ordered_json Metrics::calibration_to_json() const {
  nlohmann::ordered_json bins = nlohmann::ordered_json::array();
  for (auto bin = calibration_bins.rbegin(); bin != calibration_bins.rend(); ++bin)
    bins.push_back(
        {{"prediction", bin->prediction}, {"observed", bin->observed}, {"weight", bin->weight}});
  return bins;
}

Metrics compute_metrics(const ScoredRows& rows) {
  check(rows);
  Metrics metrics;
  metrics.rows = static_cast<int64_t>(rows.scores.size());
  {
    std::vector<Item> all = sort_rows(rows, {});
    metrics.auc = auc_of(all);
    add_pointwise(all, metrics);
  }
  if (!rows.requests.empty()) add_by_request(rows, metrics);
  if (!rows.users.empty()) add_by_user(rows, metrics);
  return metrics;
}

std::optional<double> compute_auc(std::span<const float> scores, std::span<const float> labels) {
  check_length(labels.size(), scores.size(), "labels", false);
  for (size_t i = 0; i < scores.size(); ++i)
    if (std::isnan(scores[i])) fail<DataError>("metrics", "score of row {} is NaN", i);
  return auc_of(sort_rows({.scores = scores, .labels = labels}, {}));
}

}  // namespace lemur
