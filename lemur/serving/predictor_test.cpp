#include "lemur/serving/predictor.h"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <map>

#include "lemur/serving/checkpoint_watcher.h"
#include "lemur/serving/serving_testing.h"

namespace lemur {
namespace {

RankResult rank(Predictor& predictor, const RankRequest& request) {
  std::promise<RankResult> promise;
  predictor.rank(request, [&](RankResult result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

RankFailure::Kind failure(const RankResult& result) { return std::get<RankFailure>(result).kind; }

/// Waits for what another thread does, ten seconds at most.
bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(Predictor, AnswersOnceAModelIsPublished) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {}, observer);
  EXPECT_EQ(failure(rank(predictor, served.request({1}))), RankFailure::Kind::kUnavailable);
  EXPECT_FALSE(predictor.status().is_ready);
  predictor.publish(served.load(7, 10));
  const auto answer = std::get<RankAnswer>(rank(predictor, served.request({1, 2})));
  EXPECT_EQ(answer.documents.size(), 2u);
  const BackendStatus status = predictor.status();
  EXPECT_TRUE(status.is_ready);
  EXPECT_EQ(status.model_version, "step-000007");
  EXPECT_EQ(status.bank_rows, 10);
  EXPECT_DOUBLE_EQ(status.bank_coverage, 0.5);
}

TEST(Predictor, AFullQueueRefusesAndADeadlineEndsAWait) {
  ServedStore served;
  ServingObserver observer;
  // A batch that waits for more holds the queue for as long as the test needs it.
  Predictor predictor(*served.catalogue, {.max_queue = 2, .batch_wait_ms = 300}, observer);
  predictor.publish(served.load(1));
  std::vector<std::promise<RankResult>> results(3);
  const auto ask = [&](size_t i, RankRequest request) {
    predictor.rank(std::move(request),
                   [&, i](RankResult result) { results[i].set_value(std::move(result)); });
  };
  ask(0, served.request({1}));
  RankRequest late = served.request({1});
  late.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
  ask(1, late);
  ask(2, served.request({1}));
  const RankResult refused = results[2].get_future().get();
  EXPECT_EQ(failure(refused), RankFailure::Kind::kOverloaded);
  EXPECT_GE(std::get<RankFailure>(refused).retry_after_seconds, 1);
  EXPECT_TRUE(std::holds_alternative<RankAnswer>(results[0].get_future().get()));
  EXPECT_EQ(failure(results[1].get_future().get()), RankFailure::Kind::kDeadline);
}

TEST(Predictor, OneRequestsFaultIsItsOwn) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {.batch_wait_ms = 100}, observer);
  predictor.publish(served.load(1));
  RankRequest wrong = served.request({1});
  wrong.features["price"] = {.categories = {"dear"}};
  std::promise<RankResult> good, bad;
  predictor.rank(served.request({1, 2}), [&](RankResult r) { good.set_value(std::move(r)); });
  predictor.rank(wrong, [&](RankResult r) { bad.set_value(std::move(r)); });
  EXPECT_TRUE(std::holds_alternative<RankAnswer>(good.get_future().get()));
  EXPECT_EQ(failure(bad.get_future().get()), RankFailure::Kind::kInvalid);
}

/// Counts requests without an answer.
struct Faults : ServingObserver {
  void score_not_finite(bool by_request) override { ++(by_request ? of_request : of_model); }
  int of_request = 0, of_model = 0;
};

TEST(Predictor, AScoreThatIsNoNumberIsAFaultOfTheModelAndCounted) {
  ServedStore served;
  Faults faults;
  Predictor predictor(*served.catalogue, {}, faults);
  auto snapshot = served.load(1);
  served.poison(*snapshot);
  predictor.publish(std::move(snapshot));
  RankRequest request = served.request({1, 2});
  request.features["rate(user)"].number = 0.5;
  const RankResult result = rank(predictor, request);
  EXPECT_EQ(failure(result), RankFailure::Kind::kInternal);
  EXPECT_EQ(std::get<RankFailure>(result).field, "documents[0]");
  EXPECT_EQ(faults.of_model, 1);
  predictor.publish(served.load(2));
  EXPECT_TRUE(std::holds_alternative<RankAnswer>(rank(predictor, request)));
}

TEST(Predictor, NamesTheFeatureThatMakesAScoreNoNumber) {
  ServedStore served;
  Faults faults;
  Predictor predictor(*served.catalogue, {}, faults);
  predictor.publish(served.load(1));
  RankRequest request = served.request({1, 2});
  request.features["rate(user)"].number = 0.5;
  request.documents[1].features["price"].number =
      3e37;  // float32 holds it; its products it does not
  const RankResult result = rank(predictor, request);
  EXPECT_EQ(failure(result), RankFailure::Kind::kInvalid);
  EXPECT_EQ(std::get<RankFailure>(result).field, "documents[1].features.price");
  request.features["rate(user)"].number = 3e38;
  EXPECT_EQ(failure(rank(predictor, request)), RankFailure::Kind::kInvalid) << "two at fault";
  EXPECT_EQ(faults.of_request, 2);
}

TEST(LoggedRequests, AreWholeWhereTheirEventsLieApart) {
  ServedStore served;
  const SampleStore& store = *served.store;
  const std::vector<RankRequest> requests = logged_requests(*served.catalogue, 1000);
  std::map<std::string, std::vector<std::string>> expected;
  std::map<std::string, int64_t> first;
  for (uint64_t event = 0; event < store.schema().num_events; ++event) {
    const std::string name = store.request_name(event);
    expected[name].emplace_back(store.document_id(store.documents()[event]));
    first.try_emplace(name, store.times()[event]);
    first[name] = std::min(first[name], store.times()[event]);
  }
  ASSERT_EQ(requests.size(), expected.size());
  for (const RankRequest& request : requests) {
    std::vector<std::string> documents;
    for (const Candidate& candidate : request.documents) documents.push_back(candidate.document);
    EXPECT_EQ(documents, expected[request.id]);
    EXPECT_EQ(request.time_ms, first[request.id]);
  }
  const auto newest = logged_requests(*served.catalogue, 2);
  ASSERT_EQ(newest.size(), 2u);
  EXPECT_EQ(newest[1].id, requests.back().id);
  EXPECT_EQ(newest[1].documents.size(), requests.back().documents.size());
}

TEST(Predictor, TheOldModelIsFreedWhenItIsReplaced) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {}, observer);
  auto first = served.load(1);
  const std::weak_ptr<Snapshot> old = first;
  predictor.publish(std::move(first));
  const auto before = std::get<RankAnswer>(rank(predictor, served.request({1})));
  predictor.publish(served.load(2));
  EXPECT_TRUE(old.expired());
  const auto after = std::get<RankAnswer>(rank(predictor, served.request({1})));
  EXPECT_EQ(after.model_version, "step-000002");
  EXPECT_NE(after.documents[0].scores, before.documents[0].scores);
}

TEST(Predictor, WarmingEncodesWhatRequestsNeededOfLate) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {.recorded_requests = 1}, observer);
  predictor.publish(served.load(1, 10));
  rank(predictor, served.request({11, 12, 3}));
  RankRequest other = served.request({13, 5});
  other.query = "query 2";
  rank(predictor, other);
  const auto next = served.load(2, 12);  // its bank has document 11
  EXPECT_EQ(next->documents.size(), 0u);
  predictor.warm(*next);
  const auto is_encoded = [&](uint32_t document) {
    return !next->documents.find(served.store->document_keys()[document]).empty();
  };
  EXPECT_FALSE(is_encoded(11));
  EXPECT_TRUE(is_encoded(12));
  EXPECT_TRUE(is_encoded(13));
  EXPECT_EQ(next->queries.size(), 2u);
}

TEST(RecentItems, DropsWhatWasNotedLeastRecently) {
  RecentItems<int> items(3);
  EXPECT_TRUE(items.items().empty());
  for (int item : {1, 2, 3, 1, 4}) items.note(item);
  EXPECT_EQ(items.items(), (std::vector<int>{4, 1, 3}));
}

TEST(Predictor, EveryRequestIsAnsweredWhenItEnds) {
  ServedStore served;
  ServingObserver observer;
  std::atomic<int> answered = 0;
  {
    Predictor predictor(*served.catalogue, {.batch_wait_ms = 5000}, observer);
    predictor.publish(served.load(1));
    for (int i = 0; i < 20; ++i)
      predictor.rank(served.request({1}), [&](const RankResult&) { ++answered; });
  }
  EXPECT_EQ(answered, 20);
}

TEST(Predictor, KnowsItsDocuments) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {}, observer);
  predictor.publish(served.load(4, 10));
  EXPECT_FALSE(predictor.document("d20"));
  const auto known = predictor.document("d3"), absent = predictor.document("d13");
  ASSERT_TRUE(known && absent);
  EXPECT_TRUE(known->in_bank);
  EXPECT_EQ(known->bank_age_steps, 0);
  EXPECT_EQ(known->num_writes, 1);
  EXPECT_FALSE(absent->in_bank);
  EXPECT_EQ(known->texts[0].first, "title");
}

TEST(CheckpointWatcher, FollowsTheRun) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {}, observer);
  served.save(1);
  CheckpointWatcher watcher(served.run(), predictor,
                            {.checkpoint = "newest", .poll_seconds = 0.02, .snapshot = {}});
  EXPECT_EQ(predictor.status().model_version, "step-000001");
  served.save(2);
  EXPECT_TRUE(comes_true([&] { return predictor.status().model_version == "step-000002"; }));
}

TEST(CheckpointWatcher, ADamagedCheckpointLeavesTheOldModelAndIsReported) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {}, observer);
  served.save(1);
  served.save(3);
  std::filesystem::rename(served.run().checkpoint(3), served.folder.path() / "aside");
  CheckpointWatcher watcher(served.run(), predictor,
                            {.checkpoint = "newest", .poll_seconds = 0.02, .snapshot = {}});
  {
    std::fstream file(served.folder.path() / "aside/dense.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-3, std::ios::end);
    file.put('\x55');
  }
  std::filesystem::rename(served.folder.path() / "aside", served.run().checkpoint(3));
  ASSERT_TRUE(comes_true([&] { return predictor.status().load_failures > 0; }));
  const BackendStatus status = predictor.status();
  EXPECT_EQ(status.model_version, "step-000001");
  EXPECT_NE(status.last_load_error.find("dense.safetensors"), std::string::npos)
      << status.last_load_error;
  EXPECT_EQ(status.load_failures, 1) << "it is tried once";
  served.save(4);
  EXPECT_TRUE(comes_true([&] { return predictor.status().model_version == "step-000004"; }));
  EXPECT_TRUE(predictor.status().last_load_error.empty());
}

TEST(CheckpointWatcher, ARunWithoutACheckpointIsRefused) {
  ServedStore served;
  ServingObserver observer;
  Predictor predictor(*served.catalogue, {}, observer);
  EXPECT_THROW(CheckpointWatcher(served.run(), predictor, {}), DataError);
}

}  // namespace
}  // namespace lemur
