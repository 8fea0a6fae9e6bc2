// Gradient-boosted trees for a yes or no, by XGBoost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace lemur {

/// Rows to learn from, in parallel arrays.
struct TreeRows {
  std::vector<float> inputs;          ///< [rows, columns], finite; NaN: missing
  std::vector<float> labels;          ///< [rows] 0 or 1
  std::vector<float> weights;         ///< [rows] finite, at least 0
  std::vector<float> log_odds_shift;  ///< [rows]: how far drawing them raised the log odds of
                                      ///< label 1; empty: all were taken
};

struct BoostedTreesOptions {
  int64_t most_rounds = 1000;  ///< a tree each
  int64_t rounds_to_judgement = 10;
  int64_t patience = 50;  ///< rounds without gain that end it
  int threads = 1;        ///< performance only, but for the last bits
};

/// Trees of depth 6 whose sum is the log odds of label 1, each fitted to what those before it leave
/// (Chen and Guestrin, KDD 2016). Equal rows, options and threads give equal trees. For one thread
/// at a time.
class BoostedTrees {
 public:
  /// Says how good probabilities [rows judged] are: finite, higher is better.
  using Judge = std::function<double(const std::vector<float>&)>;

  /// Fits. With a judge the number of rounds is the one that it finds best on `judged` [rows,
  /// columns]; without, all of them. Throws InvalidArgument where there is nothing to learn from or
  /// lengths do not fit, DataError with the library's message where it fails.
  BoostedTrees(const TreeRows& rows, const BoostedTreesOptions& options,
               std::span<const float> judged = {}, const Judge& judge = {});

  /// Returns the probabilities of label 1, those before any drawing, of rows `inputs` [rows,
  /// columns]. Throws as the constructor does.
  std::vector<float> probabilities(std::span<const float> inputs) const;

  int64_t rounds() const { return rounds_; }

 private:
  void fit(const TreeRows& rows, const BoostedTreesOptions& options, std::span<const float> judged,
           const Judge& judge);

  size_t columns_ = 0;
  float prior_ = 0;  // log odds that the trees' sum is added to
  int64_t rounds_ = 0;
  std::unique_ptr<void, int (*)(void*)> booster_;
};

}  // namespace lemur
