#include "lemur/eval/window_auc.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "lemur/base/error.h"
#include "lemur/eval/metrics.h"

namespace lemur {
namespace {

TEST(WindowAuc, EqualsTheAucOfTheLastRows) {
  std::mt19937_64 random(1);
  for (size_t capacity : {1, 31, 32, 33}) {
    WindowAuc window(capacity);
    std::vector<float> scores, labels;
    EXPECT_FALSE(window.value().has_value());
    for (size_t chunk : {0, 1, 31, 2, 33, 100, 32}) {
      size_t before = scores.size();
      for (size_t i = 0; i < chunk; ++i) {
        scores.push_back(static_cast<float>(random() % 9) - 4);
        labels.push_back(static_cast<float>(random() % 2));
      }
      window.add(std::span(scores).subspan(before), std::span(labels).subspan(before));
      size_t size = std::min(capacity, scores.size());
      ASSERT_EQ(window.size(), size);
      auto last = [&](const std::vector<float>& all) { return std::span(all).last(size); };
      EXPECT_EQ(window.value(), compute_auc(last(scores), last(labels)));
    }
  }
}

TEST(WindowAuc, RefusesWhatCannotBeRanked) {
  EXPECT_THROW(WindowAuc(0), InvalidArgument);
  WindowAuc window(4);
  std::vector<float> scores = {0, std::numeric_limits<float>::quiet_NaN()}, labels = {0, 1};
  EXPECT_THROW(window.add(scores, std::span(labels).first(1)), InvalidArgument);
  window.add(scores, labels);
  EXPECT_THROW(window.value(), DataError);
}

}  // namespace
}  // namespace lemur
