// A request of what was logged gets the scores that evaluation gives.
#include <gtest/gtest.h>

#include "lemur/eval/evaluator.h"
#include "lemur/serving/scorer.h"
#include "lemur/serving/serving_testing.h"

namespace lemur {
namespace {

TEST(Serving, ScoresEqualThoseOfEvaluation) {
  ServedStore served;
  const auto snapshot = served.load(1, 17);  // three documents are encoded on both sides
  Evaluator evaluator(*served.store, snapshot->state, /*batch_size=*/7);
  const Evaluation evaluation = evaluator.run("test");
  const LivePast past(*served.catalogue);
  ServingObserver observer;
  RecentContent recent;
  Scorer scorer(*served.catalogue, past, 32, recent, observer);
  const SampleStore& store = *served.store;
  const auto& split = store.schema().split("test");
  std::vector<RankRequest> requests;
  for (uint64_t event = split.begin; event < split.end; ++event) {
    RankRequest& request = requests.emplace_back();
    request.user = store.user_id(store.users()[event]);
    request.time_ms = store.request_times()[event];
    if (store.queries()[event] != kNone) request.query = store.query_text(store.queries()[event]);
    request.features["rate(user)"].number = store.numbers(4)[event];
    request.documents.push_back(
        {.document = std::string(store.document_id(store.documents()[event]))});
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const RankRequest* one = &requests[i];
    EXPECT_NEAR(scorer.rank(*snapshot, {&one, 1})[0].documents.back().scores[0],
                evaluation.scores[i], 1e-5);
  }
}

}  // namespace
}  // namespace lemur
