#include "lemur/eval/baselines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "lemur/data/batch_loader.h"
#include "lemur/eval/evaluator.h"

namespace lemur {
namespace {

constexpr double kSmoothing = 10;
constexpr size_t kNewest = 20;               // documents of a history
constexpr uint64_t kMostClicks = 2'000'000;  // whose histories are counted
constexpr int64_t kPasses = 3, kNegatives = 7;
constexpr double kRate = 0.1, kDecay = 1e-5;  // of the logistic regression

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Smoothed click rates of documents.
class Popularity {
 public:
  explicit Popularity(const SampleStore& store) : rates_(store.schema().num_documents) {
    const StoreSchema::Split& train = store.schema().split("train");
    std::vector<double> clicks(rates_.size()), shown(rates_.size());
    double all_clicks = 0, all = 0;
    for (uint64_t event = train.begin; event < train.end; ++event) {
      const double weight = store.weights()[event],
                   clicked = store.labels(0)[event] != 0 ? weight : 0;
      shown[store.documents()[event]] += weight, all += weight;
      clicks[store.documents()[event]] += clicked, all_clicks += clicked;
    }
    const double rate = (all_clicks + 1) / (all + 2);
    for (size_t d = 0; d < rates_.size(); ++d)
      rates_[d] = (clicks[d] + kSmoothing * rate) / (shown[d] + kSmoothing);
  }
  double operator()(uint32_t document) const { return rates_[document]; }

 private:
  std::vector<double> rates_;
};

/// Which clicks had which documents before them.
class ItemItem {
 public:
  explicit ItemItem(const SampleStore& store)
      : store_(store), clicks_(store.schema().num_documents) {
    const StoreSchema::Split& train = store.schema().split("train");
    uint64_t counted = 0;
    for (uint64_t event = train.end; event-- > train.begin && counted < kMostClicks;) {
      if (store.labels(0)[event] == 0 || store.weights()[event] == 0) continue;
      ++counted;
      const uint32_t document = store.documents()[event];
      ++clicks_[document];
      for_each_newest(event, [&](uint32_t past) { ++together_[key(document, past)]; });
    }
  }

  double score(uint64_t event) const {
    const uint32_t document = store_.documents()[event];
    double sum = 0;
    for_each_newest(event, [&](uint32_t past) {
      const auto found = together_.find(key(document, past));
      if (found != together_.end())
        sum += found->second / std::sqrt((clicks_[document] + 1.0) * (clicks_[past] + 1.0));
    });
    return sum;
  }

 private:
  static uint64_t key(uint32_t a, uint32_t b) { return uint64_t{a} << 32 | b; }
  template <typename Visit>
  void for_each_newest(uint64_t event, const Visit& visit) const {
    const auto past =
        store_.history(0, store_.users()[event], store_.request_times()[event]).documents;
    for (uint32_t document : past.last(std::min(past.size(), kNewest))) visit(document);
  }

  const SampleStore& store_;
  std::vector<uint32_t> clicks_;
  std::unordered_map<uint64_t, uint32_t> together_;
};

/// BM25 of all fields of the first match; rows of one query should come together.
class QueryMatch {
 public:
  explicit QueryMatch(const SampleStore& store)
      : store_(store), raw_(store.matcher()->num_values()) {
    const StoreSchema::Match& match = store.schema().matches[0];
    place_ = match.fields.size() > 1 ? match.fields.size() * kMatchNames.size() : 0;
    texts_.resize(store.schema().text.size());
  }

  double score(uint64_t event) {
    const uint32_t query = store_.queries()[event];
    if (query == kNone) return 0;
    if (query != prepared_) store_.matcher()->prepare(store_.query_tokens()[query], query_);
    prepared_ = query;
    for (size_t field = 0; field < texts_.size(); ++field)
      texts_[field] = store_.document_tokens(store_.documents()[event], field);
    store_.matcher()->match_raw(query_, texts_, raw_);
    return std::isfinite(raw_[place_]) ? raw_[place_] : 0;
  }

 private:
  const SampleStore& store_;
  TextMatcher::Query query_;
  std::vector<double> raw_;
  std::vector<std::span<const int32_t>> texts_;
  size_t place_ = 0;
  uint32_t prepared_ = kNone;
};

/// Everything that is fitted once.
class Methods {
 public:
  explicit Methods(const SampleStore& store) : store_(store), popularity_(store) {
    if (!store.schema().histories.empty()) items_.emplace(store);
    if (!store.schema().matches.empty()) match_.emplace(store);
  }
  bool has_items() const { return items_.has_value(); }
  bool has_match() const { return match_.has_value(); }
  double popularity(uint64_t event) const { return popularity_(store_.documents()[event]); }
  double items(uint64_t event) const { return items_->score(event); }
  double match(uint64_t event) { return match_->score(event); }

  /// Inputs of the regression for the rows of a batch, row by row.
  std::vector<std::vector<double>> inputs(const Batch& batch) {
    std::vector<std::vector<double>> rows(batch.size());
    for (size_t b = 0; b < batch.size(); ++b) {
      auto& row = rows[b];
      row.push_back(std::log(popularity(batch.events[b])));
      if (has_items()) row.push_back(std::log1p(items(batch.events[b])));
      for (size_t f = 0; f < batch.features.size(); ++f)
        if (store_.schema().features[f].is_number) row.push_back(batch.features[f].numbers[b]);
    }
    return rows;
  }

 private:
  const SampleStore& store_;
  Popularity popularity_;
  std::optional<ItemItem> items_;
  std::optional<QueryMatch> match_;
};

class LogisticRegression {
 public:
  void fit(const SampleStore& store, Methods& methods) {
    BatchLoader loader(store, {.batch_size = 4096,
                               .order = LoaderOptions::Order::kRequests,
                               .negatives_per_request = kNegatives,
                               .epochs = kPasses});
    const size_t num_labels = store.schema().labels.size();
    while (const auto batch = loader.next()) {
      const auto rows = methods.inputs(*batch);
      if (weights_.empty() && !rows.empty()) begin(rows);
      for (size_t b = 0; b < rows.size(); ++b) {
        const double shift = batch->log_odds_shift.empty() ? 0 : batch->log_odds_shift[b];
        learn(rows[b], batch->labels[b * num_labels] > 0.5F, shift, batch->weights[b]);
      }
    }
  }

  double probability(const std::vector<double>& row) const { return sigmoid(logit(row)); }

 private:
  void begin(const std::vector<std::vector<double>>& rows) {
    const size_t size = rows[0].size();
    weights_.assign(size + 1, 0);
    squares_.assign(size + 1, 1e-6);
    means_.assign(size, 0);
    deviations_.assign(size, 0);
    const auto count = static_cast<double>(rows.size());
    for (const auto& row : rows)
      for (size_t i = 0; i < size; ++i) means_[i] += row[i] / count;
    for (const auto& row : rows)
      for (size_t i = 0; i < size; ++i) deviations_[i] += std::pow(row[i] - means_[i], 2) / count;
    for (double& deviation : deviations_) deviation = std::sqrt(std::max(deviation, 1e-12));
  }
  double input(const std::vector<double>& row, size_t i) const {
    return i == row.size() ? 1 : (row[i] - means_[i]) / deviations_[i];
  }
  double logit(const std::vector<double>& row) const {
    double sum = 0;
    for (size_t i = 0; i < weights_.size(); ++i) sum += weights_[i] * input(row, i);
    return sum;
  }
  void learn(const std::vector<double>& row, bool clicked, double shift, double weight) {
    const double error = weight * (sigmoid(logit(row) + shift) - (clicked ? 1 : 0));
    for (size_t i = 0; i < weights_.size(); ++i) {
      const double gradient = error * input(row, i) + kDecay * weights_[i];
      squares_[i] += gradient * gradient;
      weights_[i] -= kRate * gradient / std::sqrt(squares_[i]);
    }
  }

  std::vector<double> weights_, squares_, means_, deviations_;  // the last weight is the bias
};

/// Metrics of scores in any range over a split.
Metrics measure(const SampleStore& store, const StoreSchema::Split& split,
                const Baseline& baseline) {
  std::vector<float> labels;
  std::vector<uint64_t> users;
  return compute_metrics(scored_rows(store, split, baseline.scores, labels, users));
}

/// Makes scores of any range, whose order counts, lie in 0 to 1: by their place among all.
std::vector<float> by_place(const std::vector<double>& values) {
  std::vector<double> distinct = values;
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<float> places;
  for (double value : values)
    places.push_back(static_cast<float>(
        static_cast<double>(std::ranges::lower_bound(distinct, value) - distinct.begin()) /
        static_cast<double>(std::max<size_t>(distinct.size(), 1))));
  return places;
}

template <typename Score>
std::vector<double> scores_of(const StoreSchema::Split& split, const Score& score) {
  std::vector<double> values;
  values.reserve(split.end - split.begin);
  for (uint64_t event = split.begin; event < split.end; ++event) values.push_back(score(event));
  return values;
}

/// Returns the weight of ln popularity beside BM25 that ranks valid best; 1 without a split valid.
double choose_weight(const SampleStore& store, Methods& methods) {
  const auto& splits = store.schema().splits;
  const auto valid = std::ranges::find(splits, "valid", &StoreSchema::Split::name);
  double best = 1, best_metric = -1;
  if (valid == splits.end() || valid->end == valid->begin) return best;
  const auto match = scores_of(*valid, [&](uint64_t event) { return methods.match(event); });
  for (double weight : {0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0}) {
    auto mixed = match;
    for (size_t i = 0; i < mixed.size(); ++i)
      mixed[i] += weight * std::log(methods.popularity(valid->begin + i));
    Baseline trial{.scores = by_place(mixed)};
    const Metrics metrics = measure(store, *valid, trial);
    const double metric = metrics.qauc.value_or(metrics.auc.value_or(0));
    if (metric > best_metric) best_metric = metric, best = weight;
  }
  return best;
}

}  // namespace

std::vector<Baseline> run_baselines(const SampleStore& store, const std::string& split_name,
                                    const std::function<void(const std::string&)>& progress) {
  const StoreSchema::Split& split = store.schema().split(split_name);
  Methods methods(store);
  std::vector<Baseline> all;
  const auto add = [&](const char* name, std::string how, const std::vector<double>& values,
                       bool is_probability = false) {
    Baseline& baseline = all.emplace_back();
    baseline.name = name;
    baseline.how = std::move(how);
    baseline.is_probability = is_probability;
    if (is_probability)
      baseline.scores.assign(values.begin(), values.end());
    else
      baseline.scores = by_place(values);
    baseline.metrics = measure(store, split, baseline);
    if (progress) progress(name);
  };
  const auto popularity =
      scores_of(split, [&](uint64_t event) { return methods.popularity(event); });
  add("popularity", "smoothed click rate of the document in train", popularity, true);
  if (methods.has_match()) {
    auto match = scores_of(split, [&](uint64_t event) { return methods.match(event); });
    add("bm25", "of the query and the text fields", match);
    const double weight = choose_weight(store, methods);
    for (size_t i = 0; i < match.size(); ++i) match[i] += weight * std::log(popularity[i]);
    add("bm25 + popularity", fmt::format("bm25 + {} ln popularity", weight), match);
  }
  if (methods.has_items())
    add("item-item", "clicks after the newest documents of the history",
        scores_of(split, [&](uint64_t event) { return methods.items(event); }));

  LogisticRegression regression;
  regression.fit(store, methods);
  std::vector<double> probabilities;
  BatchLoader loader(store, {.split = split_name, .batch_size = 4096});
  while (const auto batch = loader.next())
    for (const auto& row : methods.inputs(*batch))
      probabilities.push_back(regression.probability(row));
  add("logistic regression", "of all these and the store's numbers", probabilities, true);
  return all;
}

}  // namespace lemur
