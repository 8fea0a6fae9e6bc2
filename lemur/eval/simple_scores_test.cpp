#include "lemur/eval/simple_scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

class SimpleScores : public testing::Test {
 protected:
  SimpleScores() {
    write_store(folder_.path() / "store",
                random_store({.num_events = 300, .num_documents = 8, .num_actions = 200}));
  }
  SampleStore open() const { return SampleStore(folder_.path() / "store"); }

  TemporaryFolder folder_;
};

/// Clicks of `document` before `end`; with `past` those that had it among their newest 20.
double count_clicks(const SampleStore& store, uint64_t end, uint32_t document, int64_t past = -1) {
  double count = 0;
  for (uint64_t event = 0; event < end; ++event) {
    if (store.labels(0)[event] == 0 || store.documents()[event] != document) continue;
    if (past < 0) {
      ++count;
      continue;
    }
    const auto seen =
        store.history(0, store.users()[event], store.request_times()[event]).documents;
    for (size_t i = seen.size() - std::min<size_t>(seen.size(), 20); i < seen.size(); ++i)
      count += seen[i] == past ? 1 : 0;
  }
  return count;
}

double item_item(const SampleStore& store, uint64_t end, uint64_t event) {
  const uint32_t document = store.documents()[event];
  double sum = 0;
  const auto seen = store.history(0, store.users()[event], store.request_times()[event]).documents;
  for (size_t i = seen.size() - std::min<size_t>(seen.size(), 20); i < seen.size(); ++i)
    sum += count_clicks(store, end, document, seen[i]) /
           std::sqrt((count_clicks(store, end, document) + 1) *
                     (count_clicks(store, end, seen[i]) + 1));
  return sum;
}

TEST_F(SimpleScores, PopularityIsOfTrainAndBeforeAnEventOfWhatCameBefore) {
  const SampleStore store = open();
  const Popularity popularity(store);
  const uint64_t end = store.schema().split("train").end;
  double all = 0, all_clicks = 0;
  for (uint64_t event = 0; event < end; ++event) {
    all += store.weights()[event];
    all_clicks += store.labels(0)[event] * store.weights()[event];
  }
  const double rate = (all_clicks + 1) / (all + 2);
  const auto expected = [&](uint32_t document, uint64_t until) {
    double shown = 10, clicks = 10 * rate;
    for (uint64_t event = 0; event < until; ++event) {
      if (store.documents()[event] != document) continue;
      shown += store.weights()[event];
      clicks += store.labels(0)[event] * store.weights()[event];
    }
    return clicks / shown;
  };
  for (uint32_t document = 0; document < 8; ++document)
    EXPECT_NEAR(popularity(document), expected(document, end), 1e-9) << document;
  for (uint64_t event = 0; event < end; ++event)
    EXPECT_NEAR(popularity.before(event), expected(store.documents()[event], event), 1e-6) << event;
}

TEST_F(SimpleScores, ItemItemIsOfTrainAndBeforeAnEventOfWhatCameBefore) {
  const SampleStore store = open();
  const ItemItem items(store);
  const uint64_t end = store.schema().split("train").end;
  double sum = 0;
  for (uint64_t event = 0; event < end; ++event) {
    EXPECT_NEAR(items.before(event), item_item(store, event, event), 1e-5) << event;
    sum += items.before(event);
  }
  EXPECT_GT(sum, 10) << "something was clicked together";
  for (uint64_t event = end; event < store.schema().num_events; ++event)
    EXPECT_NEAR(items.score(event), item_item(store, end, event), 1e-9) << event;
}

}  // namespace
}  // namespace lemur
