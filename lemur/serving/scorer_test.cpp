#include "lemur/serving/scorer.h"

#include <gtest/gtest.h>

#include "lemur/serving/serving_testing.h"

namespace lemur {
namespace {

/// A scorer over a model whose bank holds the first `in_bank` documents.
struct Example {
  explicit Example(uint32_t in_bank = 20, int64_t max_encoded = 32)
      : snapshot(served.load(1, in_bank)),
        past(*served.catalogue),
        scorer(*served.catalogue, past, max_encoded, recent, observer) {}

  RankAnswer rank(const RankRequest& request) {
    const RankRequest* one = &request;
    return scorer.rank(*snapshot, {&one, 1})[0];
  }
  std::vector<float> scores(const RankRequest& request) {
    std::vector<float> scores;
    for (const RankedDocument& document : rank(request).documents)
      scores.push_back(document.scores[0]);
    return scores;
  }

  ServedStore served;
  std::shared_ptr<Snapshot> snapshot;
  LivePast past;
  ServingObserver observer;
  RecentContent recent;
  Scorer scorer;
};

TEST(Scorer, ScoresDoNotDependOnWhatARequestIsBatchedWith) {
  Example x;
  std::vector<RankRequest> requests = {x.served.request({1, 2, 3}), x.served.request({4}),
                                       x.served.request({0, 1, 2, 3, 4, 5, 6, 7, 8, 9})};
  requests[1].user = "u3";
  requests[1].query = "";
  requests[2].user = "";
  std::vector<const RankRequest*> together;
  for (const RankRequest& request : requests) together.push_back(&request);
  const std::vector<RankAnswer> answers = x.scorer.rank(*x.snapshot, together);
  for (size_t g = 0; g < requests.size(); ++g) {
    const RankAnswer alone = x.rank(requests[g]);
    ASSERT_EQ(alone.documents.size(), requests[g].documents.size());
    EXPECT_EQ(alone.order, answers[g].order);
    for (size_t i = 0; i < alone.documents.size(); ++i)
      EXPECT_EQ(alone.documents[i].scores, answers[g].documents[i].scores);
  }
}

TEST(Scorer, OrdersByTheFirstLabelAndTiesAsAsked) {
  Example x;
  const RankAnswer answer = x.rank(x.served.request({5, 5, 1, 2, 5}));
  ASSERT_EQ(answer.order.size(), 5u);
  for (size_t i = 1; i < answer.order.size(); ++i) {
    const float before = answer.documents[answer.order[i - 1]].scores[0],
                after = answer.documents[answer.order[i]].scores[0];
    EXPECT_TRUE(before > after || (before == after && answer.order[i - 1] < answer.order[i]));
  }
  EXPECT_EQ(answer.documents[0].scores.size(), 2u);
  EXPECT_EQ(answer.model_version, "step-000001");
}

TEST(Scorer, AMissingDocumentIsEncodedWithinTheBudget) {
  Example full(20), partial(18, /*max_encoded=*/1);
  RankRequest request = full.served.request({0, 18, 19});
  request.user = "";  // no history, which would lack the same documents
  const RankAnswer expected = full.rank(request), first = partial.rank(request),
                   second = partial.rank(request);
  EXPECT_EQ(expected.documents[1].flags, 0);
  EXPECT_EQ(first.documents[0].flags, 0);
  EXPECT_EQ(first.documents[1].flags, kEncodedNow);
  EXPECT_EQ(first.documents[2].flags, kNoContent);
  EXPECT_NEAR(first.documents[1].scores[0], expected.documents[1].scores[0], 1e-6);
  EXPECT_EQ(second.documents[1].flags, 0) << "kept by the first request";
  EXPECT_EQ(second.documents[2].flags, kEncodedNow);
}

TEST(Scorer, AnUnknownDocumentIsScoredByWhatIsSentAlong) {
  Example x;
  RankRequest request = x.served.request({1});
  request.documents.push_back({.document = "new"});
  request.documents.push_back({.document = "newer", .texts = {{"title", "query 4"}}});
  const RankAnswer answer = x.rank(request);
  EXPECT_EQ(answer.documents[1].flags, kUnknownDocument | kNoContent);
  EXPECT_EQ(answer.documents[2].flags, kUnknownDocument | kEncodedNow);
  request.documents[2].texts["title"] = "query 5";
  EXPECT_NE(x.scores(request)[2], answer.documents[2].scores[0]);
}

TEST(Scorer, TextsSentAlongReplaceTheStores) {
  Example x;
  RankRequest request = x.served.request({1});
  const float before = x.scores(request)[0];
  request.documents[0].texts["body"] = "query 1 2 3 4 5";
  const RankAnswer answer = x.rank(request);
  EXPECT_NE(answer.documents[0].scores[0], before);
  EXPECT_EQ(answer.documents[0].flags, kEncodedNow);
}

TEST(Scorer, HistoriesOfTheRequestReplaceTheStores) {
  Example x;
  RankRequest request = x.served.request({1, 2});
  const std::vector<float> stored = x.scores(request);
  request.histories["clicks"] = {{"d3", 5, "buy"}, {"d4", 4, ""}, {"unheard of", 3, "like"}};
  const std::vector<float> given = x.scores(request);
  EXPECT_NE(given, stored);
  std::swap(request.histories["clicks"][0], request.histories["clicks"][2]);
  EXPECT_EQ(x.scores(request), given) << "the order of time counts, not that of the request";
  request.histories["clicks"].push_back({"d9", 100, "buy"});
  EXPECT_EQ(x.scores(request), given) << "an action of the request's own time is no past";
  request.histories["clicks"].push_back({"d9", 99, "steal"});
  EXPECT_THROW(x.scores(request), InvalidArgument);
}

TEST(Scorer, FeedbackJoinsTheHistory) {
  Example x;
  RankRequest request = x.served.request({1, 2});
  const std::vector<float> before = x.scores(request);
  x.past.add(event_of("u1", "d7", 100, "buy"));
  EXPECT_EQ(x.scores(request), before) << "not before it happened";
  request.time_ms = 101;
  const std::vector<float> after = x.scores(request);
  EXPECT_NE(after, before);
  request.user = "stranger";
  const std::vector<float> stranger = x.scores(request);
  x.past.add(event_of("stranger", "d7", 100, "buy"));
  EXPECT_NE(x.scores(request), stranger);
}

TEST(Scorer, FeaturesOfTheRequestReplaceTheStores) {
  Example x;
  RankRequest request = x.served.request({1, 2});
  const std::vector<float> stored = x.scores(request);
  request.features["rate(user)"].number = 40;
  const std::vector<float> for_both = x.scores(request);
  EXPECT_NE(for_both[0], stored[0]);
  request.features.clear();
  request.documents[0].features["price"].number = 40;
  const std::vector<float> for_one = x.scores(request);
  EXPECT_NE(for_one[0], stored[0]);
  EXPECT_EQ(for_one[1], stored[1]);
  request.documents[0].features["price"] = {.categories = {"dear"}};
  EXPECT_THROW(x.scores(request), InvalidArgument);
}

TEST(Scorer, AFeatureThatIsMissingIsNotTheStores) {
  Example x;
  RankRequest request = x.served.request({1});
  const std::vector<float> stored = x.scores(request);
  request.documents[0].features["price"] = {};
  const std::vector<float> missing = x.scores(request);
  EXPECT_NE(missing, stored);
  request.documents[0].features["price"].number = 3.5;  // the mean: 0 once standardised
  EXPECT_EQ(x.scores(request), missing);
}

TEST(Scorer, RefusesNumbersBeyondFloat32) {
  Example x;
  RankRequest request = x.served.request({1});
  request.documents[0].features["price"].number = 1e300;
  EXPECT_THROW(x.scores(request), InvalidArgument);
  for (double small : {-0.0, 5e-324, 1e-310}) {
    request.documents[0].features["price"].number = small;
    for (float score : x.scores(request)) EXPECT_TRUE(std::isfinite(score)) << small;
  }
}

TEST(Scorer, AScoreThatIsNoNumberIsNoAnswer) {
  Example x;
  x.served.poison(*x.snapshot);
  EXPECT_THROW(x.scores(x.served.request({1, 2})), NotFinite);
}

TEST(Scorer, TakesScoresApart) {
  Example x;
  RankRequest request = x.served.request({1, 2, 3});
  request.explain = true;
  const RankAnswer answer = x.rank(request);
  std::vector<std::string> names;
  for (const auto& [name, change] : answer.documents[0].parts->groups) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "user", "document", "content of clicks", "ids of clicks", "content of long",
                       "ids of long", "content", "query", "query times content", "similarity"}));
  for (const RankedDocument& document : answer.documents) {
    ASSERT_TRUE(document.parts);
    EXPECT_LE(std::abs(document.parts->query_cosine.value()), 1.0001);
    ASSERT_FALSE(document.parts->nearest.empty());
    EXPECT_LE(document.parts->nearest.size(), 5u);
    for (size_t i = 1; i < document.parts->nearest.size(); ++i)
      EXPECT_GE(document.parts->nearest[i - 1].cosine, document.parts->nearest[i].cosine);
  }
  request.explain = false;
  EXPECT_EQ(x.rank(request).documents[0].scores, answer.documents[0].scores);
}

TEST(Scorer, EmbedsQueriesAndDocuments) {
  Example x;
  const auto vector = [&](const EmbedRequest& request) {
    return std::get<EmbedAnswer>(x.scorer.embed(*x.snapshot, request));
  };
  EXPECT_EQ(vector({.query = "Query 3"}).vector, vector({.query = " query  3 "}).vector);
  EXPECT_EQ(vector({.query = "query 3"}).vector.size(), 16u);
  EXPECT_TRUE(vector({.document = Candidate{.document = "d3"}}).from_bank);
  EXPECT_FALSE(
      vector({.document = Candidate{.document = "x", .texts = {{"title", "query"}}}}).from_bank);
  const EmbedResult nobody = x.scorer.embed(*x.snapshot, {.document = Candidate{.document = "x"}});
  EXPECT_EQ(std::get<RankFailure>(nobody).kind, RankFailure::Kind::kInvalid);
  EXPECT_EQ(std::get<RankFailure>(x.scorer.embed(*x.snapshot, {.query = " "})).field, "query");
}

}  // namespace
}  // namespace lemur
