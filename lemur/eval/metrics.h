// The metrics of a ranker on scored impressions: overall, by request and by user.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

namespace lemur {

/// Scored impressions in parallel arrays of one length n. Views: the arrays outlive the call.
struct ScoredRows {
  std::span<const float> scores = {};       ///< [n] predicted probabilities, 0 to 1
  std::span<const float> labels = {};       ///< [n] 0 or 1
  std::span<const float> weights = {};      ///< [n] finite, at least 0; empty: 1 each
  std::span<const uint64_t> requests = {};  ///< [n] keys; empty: no metrics by request
  std::span<const uint64_t> users = {};     ///< [n] keys; empty: no metrics by user
};

/// Rows of neighbouring scores: what was predicted of them and what came.
struct CalibrationBin {
  double prediction = 0;  ///< mean score
  double observed = 0;    ///< share of label 1
  double weight = 0;      ///< sum of the rows' weights
};

/// What compute_metrics found. A metric that is undefined on the rows is absent.
///
/// Weights: a row of weight w counts as w equal rows in the AUCs, the log loss and the calibration;
/// a row of weight 0 counts nowhere but in `rows`. NDCG and MRR rank every other row once.
///
/// Ties: equal scores count half in the AUCs; NDCG and MRR are the exact expectation over a random
/// order of the tied rows. No metric depends on the order of the rows.
struct Metrics {
  int64_t rows = 0;
  int64_t requests_with_both = 0;  ///< requests with both labels: what the metrics by request use
  int64_t users_with_both = 0;     ///< users with both labels: what UAUC uses

  /// Probability that a row of label 1 scores above one of label 0.
  std::optional<double> auc;
  /// Mean over requests with both labels of their own AUC.
  std::optional<double> qauc;
  /// The same mean, each request weighted by its impressions (the sum of its rows' weights).
  std::optional<double> qauc_weighted;
  /// Mean over users with both labels of their own AUC.
  std::optional<double> uauc;
  /// Mean negative log likelihood in nats; probabilities are clamped to [1e-7, 1 - 1e-7].
  std::optional<double> log_loss;
  /// Mean over requests with both labels; gain 1 of label 1, discount 1 / log2(1 + rank), divided
  /// by the best order's.
  std::optional<double> ndcg_at_5, ndcg_at_10;
  /// Mean over requests with both labels of 1 / rank of the best row of label 1.
  std::optional<double> mrr;
  /// Sum of the predictions over sum of the labels.
  std::optional<double> calibration;
  /// Expected calibration error: mean over 20 bins of equal mass by score of the distance between
  /// mean prediction and mean label. Equal scores share a bin.
  std::optional<double> ece;
  /// The bins of `ece` that hold rows, by descending score.
  std::vector<CalibrationBin> calibration_bins;

  /// Returns {"rows", "auc", "qauc", "qauc_weighted", "uauc", "log_loss", "ndcg_at_5",
  /// "ndcg_at_10", "mrr", "calibration", "ece"} in this order; null for what is absent.
  nlohmann::ordered_json to_json() const;

  /// Returns [{"prediction", "observed", "weight"}] of the calibration bins, by ascending score.
  nlohmann::ordered_json calibration_to_json() const;
};

/// Computes every metric in O(n log n). Throws DataError naming the row when a score is no
/// probability (NaN included), a label neither 0 nor 1 or a weight negative or not finite, and
/// InvalidArgument when the lengths differ.
Metrics compute_metrics(const ScoredRows& rows);

/// Returns the AUC of any scores (probabilities or logits), ties counting half; absent unless both
/// labels occur. Throws DataError for a score that is NaN, InvalidArgument when the lengths differ.
std::optional<double> compute_auc(std::span<const float> scores, std::span<const float> labels);

}  // namespace lemur
