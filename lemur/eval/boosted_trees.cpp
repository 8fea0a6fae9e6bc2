#include "lemur/eval/boosted_trees.h"

#include <fmt/format.h>
#include <xgboost/c_api.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "lemur/base/error.h"

namespace lemur {
namespace {

using TreeHandle = std::unique_ptr<void, int (*)(void*)>;  // of a matrix or of trees

constexpr std::pair<const char*, const char*> kTreeParameters[] = {
    {"objective", "binary:logistic"},
    {"tree_method", "hist"},
    {"max_depth", "6"},
    {"eta", "0.1"},
    {"min_child_weight", "5"},
    {"base_score", "0.5"},  // log odds 0: what the sum begins with stands in each matrix
    {"seed", "1"},
    {"verbosity", "0"}};

void check_call(int code) {
  if (code != 0) fail<DataError>("eval", "gradient-boosted trees: {}", XGBGetLastError());
}

void set_column(const TreeHandle& matrix, const char* name, const std::vector<float>& values) {
  check_call(XGDMatrixSetFloatInfo(matrix.get(), name, values.data(), values.size()));
}

/// `margins` [rows]: log odds that the trees' sum is added to.
TreeHandle make_matrix(std::span<const float> inputs, const std::vector<float>& margins) {
  void* made = nullptr;
  check_call(XGDMatrixCreateFromMat(inputs.data(), margins.size(), inputs.size() / margins.size(),
                                    std::numeric_limits<float>::quiet_NaN(), &made));
  TreeHandle matrix(made, &XGDMatrixFree);
  set_column(matrix, "base_margin", margins);
  return matrix;
}

/// Probabilities by the first `rounds` trees.
std::vector<float> predict(const TreeHandle& booster, const TreeHandle& matrix, int64_t rounds) {
  const std::string how = fmt::format(
      R"({{"type":0,"training":false,"iteration_begin":0,"iteration_end":{},"strict_shape":false}})",
      rounds);
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* values = nullptr;
  check_call(XGBoosterPredictFromDMatrix(booster.get(), matrix.get(), how.c_str(), &shape,
                                         &dimensions, &values));
  ensure(dimensions == 1, "eval", "trees for a yes or no give one number a row");
  return {values, values + shape[0]};
}

/// Log odds of label 1 before the drawing: where the trees begin, near enough.
float log_odds_of(const TreeRows& rows) {
  double clicked = 1, all = 2, shift = 0;
  for (size_t i = 0; i < rows.labels.size(); ++i) {
    const double weight = rows.weights[i];
    clicked += rows.labels[i] > 0.5F ? weight : 0;
    all += weight;
    if (!rows.log_odds_shift.empty()) shift += weight * rows.log_odds_shift[i];
  }
  return static_cast<float>(std::log(clicked / (all - clicked)) - shift / all);
}

}  // namespace

BoostedTrees::BoostedTrees(const TreeRows& rows, const BoostedTreesOptions& options,
                           std::span<const float> judged, const Judge& judge)
    : booster_(nullptr, &XGBoosterFree) {
  const size_t count = rows.labels.size();
  if (count == 0) fail<InvalidArgument>("eval", "gradient-boosted trees: no rows to learn from");
  columns_ = rows.inputs.size() / count;
  if (columns_ == 0 || columns_ * count != rows.inputs.size() || rows.weights.size() != count ||
      (!rows.log_odds_shift.empty() && rows.log_odds_shift.size() != count) ||
      judged.size() % columns_ != 0)
    fail<InvalidArgument>("eval",
                          "gradient-boosted trees: {} rows with {} inputs, {} weights, {} shifts "
                          "and {} inputs to judge by",
                          count, rows.inputs.size(), rows.weights.size(),
                          rows.log_odds_shift.size(), judged.size());
  if (options.most_rounds < 1 || options.rounds_to_judgement < 1)
    fail<InvalidArgument>("eval",
                          "gradient-boosted trees: {} rounds, judged every {}; give at least 1",
                          options.most_rounds, options.rounds_to_judgement);
  prior_ = log_odds_of(rows);
  fit(rows, options, judged, judged.empty() ? Judge() : judge);
}

void BoostedTrees::fit(const TreeRows& rows, const BoostedTreesOptions& options,
                       std::span<const float> judged, const Judge& judge) {
  std::vector<float> margins(rows.labels.size(), prior_);
  for (size_t i = 0; i < rows.log_odds_shift.size(); ++i) margins[i] += rows.log_odds_shift[i];
  const TreeHandle matrix = make_matrix(rows.inputs, margins);
  set_column(matrix, "label", rows.labels);
  set_column(matrix, "weight", rows.weights);
  TreeHandle judged_matrix(nullptr, &XGDMatrixFree);
  std::vector<void*> known = {matrix.get()};  // whose sums the library keeps between rounds
  if (judge) {
    judged_matrix = make_matrix(judged, std::vector<float>(judged.size() / columns_, prior_));
    known.push_back(judged_matrix.get());
  }
  void* made = nullptr;
  check_call(XGBoosterCreate(known.data(), known.size(), &made));
  booster_.reset(made);
  for (const auto& [name, value] : kTreeParameters)
    check_call(XGBoosterSetParam(made, name, value));
  check_call(XGBoosterSetParam(made, "nthread", std::to_string(options.threads).c_str()));
  double best = -std::numeric_limits<double>::infinity();
  for (int64_t round = 1; round <= options.most_rounds; ++round) {
    check_call(XGBoosterUpdateOneIter(made, static_cast<int>(round - 1), matrix.get()));
    if (!judge) rounds_ = round;
    if (!judge || (round % options.rounds_to_judgement != 0 && round != options.most_rounds))
      continue;
    const double value = judge(predict(booster_, judged_matrix, round));
    if (value > best) {
      best = value, rounds_ = round;
    } else if (round - rounds_ >= options.patience) {
      break;
    }
  }
}

std::vector<float> BoostedTrees::probabilities(std::span<const float> inputs) const {
  if (inputs.size() % columns_ != 0)
    fail<InvalidArgument>("eval", "gradient-boosted trees: {} inputs are no rows of {}",
                          inputs.size(), columns_);
  if (inputs.empty()) return {};
  const std::vector<float> margins(inputs.size() / columns_, prior_);
  return predict(booster_, make_matrix(inputs, margins), rounds_);
}

}  // namespace lemur
