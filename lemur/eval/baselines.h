// What simple methods reach on a store: what a model must be better than to be worth its cost.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/eval/metrics.h"

namespace lemur {

struct Baseline {
  std::string name;
  std::string how;              ///< in a few words, with what was chosen on valid
  bool is_probability = false;  ///< its scores are; else only the order counts
  std::vector<float> scores;    ///< [rows of the split], 0 to 1
  Metrics metrics;
};

/// Fits on the split "train", chooses on "valid" where there is something to choose, and scores the
/// rows of `split`:
///   popularity            (clicks + 10 rate) / (impressions + 10) of the document in train, rate:
///                         the share of clicks of all
///   bm25                  of the query and all text fields of the first [[data.match]]
///   bm25 + popularity     bm25 + w ln popularity, w chosen
///   item-item             sum over the newest 20 documents of the user's first history of
///                         c(d, h) / sqrt(n(d) n(h)): clicks of d that had h among their newest 20
///   logistic regression   over all of these, the standardised numbers of the store and those of
///                         text match, by Adagrad, three passes over train, unclicked impressions
///                         drawn and the bias corrected for it
///   gradient-boosted trees  over the same inputs and draw, missing numbers as missing, by XGBoost
///                         (BoostedTrees): as many as QAUC on valid chooses, or log loss where no
///                         request has both labels; 100 without valid. Popularity and item-item
///                         of a row of train are of what came before it; a number that
///                         is 0 when standardised is missing too, as the store holds 0 for it
/// Methods without what they need (a query, a history) are left out. `progress` gets what is going
/// on, and may be empty. Trees hold 50 million inputs of train, of requests drawn at random, and
/// as many of valid, its first ones: 14 bytes each.
std::vector<Baseline> run_baselines(const SampleStore& store, const std::string& split,
                                    const std::function<void(const std::string&)>& progress = {});

/// Returns {"split", "methods": [{"name", "how", and Metrics::to_json, without log loss,
/// calibration and ECE where the scores are no probabilities}]}.
nlohmann::ordered_json baselines_to_json(const std::string& split,
                                         const std::vector<Baseline>& baselines);

}  // namespace lemur
