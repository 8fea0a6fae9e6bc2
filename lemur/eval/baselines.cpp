#include "lemur/eval/baselines.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "lemur/data/batch_loader.h"
#include "lemur/eval/boosted_trees.h"
#include "lemur/eval/evaluator.h"
#include "lemur/eval/simple_scores.h"

namespace lemur {
namespace {

constexpr int64_t kPasses = 3, kNegatives = 7;
constexpr double kRate = 0.1, kDecay = 1e-5;    // of the logistic regression
constexpr int64_t kRoundsUnjudged = 100;        // of trees, where there is no split valid
constexpr double kOfEqualOrders = 1e-6;         // weight of the log loss beside QAUC
constexpr size_t kMostTreeInputs = 50'000'000;  // held of train, and of valid: 4 bytes each here
                                                // and some 10 in the library

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

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

  struct InputOptions {
    bool before = false;  ///< of train, and by what came before each event
    double missing = 0;   ///< stands for numbers that the store lacks
  };
  /// Inputs of regression and trees for the rows of a batch, row by row.
  std::vector<std::vector<double>> inputs(const Batch& batch, const InputOptions& options) const {
    std::vector<std::vector<double>> rows(batch.size());
    for (size_t b = 0; b < batch.size(); ++b) {
      auto& row = rows[b];
      const uint64_t event = batch.events[b];
      row.push_back(std::log(options.before ? popularity_.before(event) : popularity(event)));
      if (has_items())
        row.push_back(std::log1p(options.before ? items_->before(event) : items(event)));
      for (size_t f = 0; f < batch.features.size(); ++f) {
        if (!store_.schema().features[f].is_number) continue;
        const double number = batch.features[f].numbers[b];
        row.push_back(number == 0 ? options.missing : number);
      }
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
      const auto rows = methods.inputs(*batch, {});
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

/// Returns the split to choose on; null where there is none or it is empty.
const StoreSchema::Split* valid_of(const SampleStore& store) {
  for (const StoreSchema::Split& split : store.schema().splits)
    if (split.name == "valid" && split.end > split.begin) return &split;
  return nullptr;
}

/// Returns the weight of ln popularity beside BM25 that ranks valid best; 1 without a split valid.
double choose_weight(const SampleStore& store, Methods& methods) {
  const StoreSchema::Split* valid = valid_of(store);
  double best = 1, best_metric = -1;
  if (valid == nullptr) return best;
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

/// Gradient-boosted trees over the inputs of the regression. Of train each event is described by
/// what came before it: trees would learn by heart that what was counted once was the click itself.
class TreeRanking {
 public:
  TreeRanking(const SampleStore& store, const Methods& methods)
      : store_(store), methods_(methods) {}

  /// Returns in a few words what was fitted; nothing where train has no rows.
  std::optional<std::string> fit(const std::function<void(const std::string&)>& progress) {
    const TreeRows rows = draw_rows();
    if (rows.labels.empty()) return std::nullopt;
    BoostedTreesOptions options{.threads = at::get_num_threads()};
    const StoreSchema::Split* valid = valid_of(store_);
    if (valid == nullptr) {
      options.most_rounds = kRoundsUnjudged;
      trees_.emplace(rows, options);
      return fmt::format("{} of depth 6 over the same", trees_->rounds());
    }
    const std::vector<float> judged = inputs_of(valid->name);
    StoreSchema::Split seen = *valid;
    seen.end = seen.begin + judged.size() / (rows.inputs.size() / rows.labels.size());
    const char* metric = nullptr;
    trees_.emplace(rows, options, judged, [&](const std::vector<float>& probabilities) {
      const Metrics metrics = measure(store_, seen, {.scores = probabilities});
      const double loss = metrics.log_loss.value_or(0);
      metric = metrics.qauc ? "QAUC" : "log loss";
      progress(fmt::format("gradient-boosted trees: {} {:.4f} on valid", metric,
                           metrics.qauc.value_or(loss)));
      return metrics.qauc ? *metrics.qauc - kOfEqualOrders * loss : -loss;
    });
    return fmt::format("{} of depth 6 over the same, as many as {} on valid chose",
                       trees_->rounds(), metric);
  }

  std::vector<double> probabilities(const std::string& split) const {
    std::vector<double> all;
    BatchLoader loader(store_, {.split = split, .batch_size = 65536});
    while (const auto batch = loader.next()) {
      std::vector<float> inputs;
      append(*batch, /*before=*/false, inputs);
      const std::vector<float> found = trees_->probabilities(inputs);
      all.insert(all.end(), found.begin(), found.end());
    }
    return all;
  }

 private:
  void append(const Batch& batch, bool before, std::vector<float>& inputs) const {
    constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
    for (const auto& row : methods_.inputs(batch, {.before = before, .missing = kMissing}))
      inputs.insert(inputs.end(), row.begin(), row.end());
  }

  TreeRows draw_rows() const {
    const StoreSchema::Split& train = store_.schema().split("train");
    BatchLoader loader(
        store_, {.batch_size = 4096,
                 .order = LoaderOptions::Order::kRequests,
                 .negatives_per_request = kNegatives,
                 .window = std::max<int64_t>(1, static_cast<int64_t>(train.end - train.begin))});
    const size_t num_labels = store_.schema().labels.size();
    TreeRows rows;
    while (const auto batch = loader.next()) {
      append(*batch, /*before=*/true, rows.inputs);
      for (size_t b = 0; b < batch->size(); ++b) {
        rows.labels.push_back(batch->labels[b * num_labels] > 0.5F ? 1.0F : 0.0F);
        rows.weights.push_back(batch->weights[b]);
        rows.log_odds_shift.push_back(batch->log_odds_shift.empty() ? 0 : batch->log_odds_shift[b]);
      }
      if (rows.inputs.size() >= kMostTreeInputs) break;  // of requests in a random order
    }
    return rows;
  }

  std::vector<float> inputs_of(const std::string& split) const {
    std::vector<float> inputs;
    BatchLoader loader(store_, {.split = split, .batch_size = 4096});
    while (inputs.size() < kMostTreeInputs) {
      const auto batch = loader.next();
      if (!batch) break;
      append(*batch, /*before=*/false, inputs);
    }
    return inputs;
  }

  const SampleStore& store_;
  const Methods& methods_;
  std::optional<BoostedTrees> trees_;
};

}  // namespace

nlohmann::ordered_json baselines_to_json(const std::string& split,
                                         const std::vector<Baseline>& baselines) {
  nlohmann::ordered_json methods = nlohmann::ordered_json::array();
  for (const Baseline& one : baselines) {
    nlohmann::ordered_json method = {{"name", one.name}, {"how", one.how}};
    const nlohmann::ordered_json metrics = one.metrics.to_json();
    for (const auto& [name, value] : metrics.items())
      if (one.is_probability || (name != "log_loss" && name != "calibration" && name != "ece"))
        method[name] = value;
    methods.push_back(std::move(method));
  }
  return {{"split", split}, {"methods", std::move(methods)}};
}

std::vector<Baseline> run_baselines(const SampleStore& store, const std::string& split_name,
                                    const std::function<void(const std::string&)>& progress) {
  const auto say = [&](const std::string& text) {
    if (progress) progress(text);
  };
  say("counting clicks of train");
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
    say(name);
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
    for (const auto& row : methods.inputs(*batch, {}))
      probabilities.push_back(regression.probability(row));
  add("logistic regression", "of all these and the store's numbers", probabilities, true);

  TreeRanking trees(store, methods);
  if (const auto how = trees.fit(say))
    add("gradient-boosted trees", *how, trees.probabilities(split_name), true);
  return all;
}

}  // namespace lemur
