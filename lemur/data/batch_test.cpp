#include "lemur/data/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

/// A store written into a folder of its own, opened.
struct OpenStore {
  explicit OpenStore(const StoreContent& content)
      : store((write_store(folder.path() / "store", content), folder.path() / "store")) {}
  TemporaryFolder folder;
  SampleStore store;
};

/// `size` events, scattered and with repetitions once the store is exhausted.
std::vector<uint64_t> some_events(size_t size, uint64_t num_events) {
  std::vector<uint64_t> events(size);
  for (size_t i = 0; i < size; ++i) events[i] = i * 37 % num_events;
  return events;
}

size_t document_length(const StoreContent& content, uint32_t document) {
  return content.document_tokens[2 * document].size() +
         content.document_tokens[2 * document + 1].size();
}

class BatchOf : public ::testing::TestWithParam<size_t> {
 protected:
  StoreContent content_ = random_store({});
  OpenStore open_{content_};
  std::vector<uint64_t> events_ = some_events(GetParam(), content_.events.size());
  Batch batch_ = make_batch(open_.store, events_);
};

INSTANTIATE_TEST_SUITE_P(Sizes, BatchOf, ::testing::Values(0, 1, 31, 32, 33, 250));

TEST_P(BatchOf, HoldsTheColumnsOfItsEvents) {
  ASSERT_EQ(batch_.size(), GetParam());
  ASSERT_EQ(batch_.labels.size(), 2 * GetParam());
  ASSERT_EQ(batch_.users.size(), GetParam());
  for (size_t b = 0; b < batch_.size(); ++b) {
    const auto& event = content_.events[events_[b]];
    EXPECT_EQ(batch_.events[b], events_[b]);
    EXPECT_EQ(batch_.users[b], event.user);
    int64_t first = event.time;  // of the request
    for (const auto& other : content_.events)
      if (other.request == event.request) first = std::min(first, other.time);
    EXPECT_EQ(batch_.times[b], first);
    EXPECT_EQ(batch_.requests[b], event.request);
    EXPECT_EQ(batch_.weights[b], event.weight);
    EXPECT_EQ(batch_.labels[2 * b], event.labels[0]);
    EXPECT_EQ(batch_.labels[2 * b + 1], event.labels[1]);
  }
  EXPECT_EQ(batch_.next.epoch, 0);
  EXPECT_EQ(batch_.next.batch, 0);
}

TEST_P(BatchOf, ListsEachDocumentOnceByLengthThenIndex) {
  ASSERT_EQ(batch_.document_of.size(), GetParam());
  std::set<uint32_t> expected;
  for (size_t b = 0; b < batch_.size(); ++b) {
    uint32_t document = content_.events[events_[b]].document;
    expected.insert(document);
    ASSERT_LT(batch_.document_of[b], batch_.documents.size());
    EXPECT_EQ(batch_.documents[batch_.document_of[b]], document);
  }
  EXPECT_EQ(std::set<uint32_t>(batch_.documents.begin(), batch_.documents.end()), expected);
  for (size_t i = 1; i < batch_.documents.size(); ++i) {
    uint32_t left = batch_.documents[i - 1], right = batch_.documents[i];
    EXPECT_LT(std::pair(document_length(content_, left), left),
              std::pair(document_length(content_, right), right));
  }
}

TEST_P(BatchOf, ListsEachQueryOnceAndMarksWhereThereIsNone) {
  ASSERT_EQ(batch_.query_of.size(), GetParam());
  std::set<uint32_t> expected;
  for (size_t b = 0; b < batch_.size(); ++b) {
    uint32_t query = content_.events[events_[b]].query;
    if (query == kNone) {
      EXPECT_EQ(batch_.query_of[b], -1);
      continue;
    }
    expected.insert(query);
    ASSERT_GE(batch_.query_of[b], 0);
    EXPECT_EQ(batch_.queries.at(static_cast<size_t>(batch_.query_of[b])), query);
  }
  EXPECT_EQ(std::set<uint32_t>(batch_.queries.begin(), batch_.queries.end()), expected);
  EXPECT_EQ(batch_.queries.size(), expected.size());
  for (size_t j = 1; j < batch_.queries.size(); ++j) {
    uint32_t left = batch_.queries[j - 1], right = batch_.queries[j];
    EXPECT_LT(std::pair(content_.query_tokens[left].size(), left),
              std::pair(content_.query_tokens[right].size(), right));
  }
}

TEST_P(BatchOf, LooksFeaturesUpByDocumentOrByEvent) {
  ASSERT_EQ(batch_.features.size(), 5u);
  for (size_t i : {0u, 1u, 3u}) {
    const Batch::Feature& feature = batch_.features[i];
    EXPECT_TRUE(feature.numbers.empty());
    ASSERT_EQ(feature.offsets.size(), GetParam() + 1);
    EXPECT_EQ(feature.offsets.front(), 0u);
    EXPECT_EQ(feature.offsets.back(), feature.keys.size());
    for (size_t b = 0; b < batch_.size(); ++b) {
      size_t row = i == 3 ? events_[b] : content_.events[events_[b]].document;
      EXPECT_EQ(std::vector<uint64_t>(feature.keys.begin() + feature.offsets[b],
                                      feature.keys.begin() + feature.offsets[b + 1]),
                content_.features[i].keys[row]);
    }
  }
  for (size_t i : {2u, 4u}) {
    const Batch::Feature& feature = batch_.features[i];
    EXPECT_TRUE(feature.offsets.empty());
    EXPECT_TRUE(feature.keys.empty());
    ASSERT_EQ(feature.numbers.size(), GetParam());
    for (size_t b = 0; b < batch_.size(); ++b) {
      size_t row = i == 4 ? events_[b] : content_.events[events_[b]].document;
      EXPECT_EQ(feature.numbers[b], content_.features[i].numbers[row]);
    }
  }
}

TEST_P(BatchOf, NeverShowsAnActionFromTheTimeOfTheRequestOrLater) {
  ASSERT_EQ(batch_.histories.size(), 2u);
  for (size_t h = 0; h < 2; ++h) {
    const Batch::History& history = batch_.histories[h];
    ASSERT_EQ(history.views.size(), GetParam());
    ASSERT_EQ(history.offsets.size(), GetParam() + 1);
    EXPECT_EQ(history.offsets[0], 0u);
    for (size_t b = 0; b < batch_.size(); ++b) {
      EXPECT_EQ(history.offsets[b + 1] - history.offsets[b], history.views[b].size());
      const int64_t first = batch_.times[b];
      size_t earlier = 0;
      for (const auto& action : content_.histories[h])
        earlier += action.user == batch_.users[b] && action.time < first;
      auto length = static_cast<size_t>(content_.schema.histories[h].length);
      EXPECT_EQ(history.views[b].size(), std::min(earlier, length));
      for (int64_t time : history.views[b].times) EXPECT_LT(time, first);
    }
  }
}

TEST(Batch, OfAFeedHasNoQueries) {
  OpenStore open(random_store({.num_queries = 0}));
  Batch batch = make_batch(open.store, some_events(33, 100));
  EXPECT_TRUE(batch.queries.empty());
  EXPECT_EQ(batch.query_of, std::vector<int32_t>(33, -1));
}

TEST(Batch, RefusesAnEventThatTheStoreLacks) {
  OpenStore open(random_store({}));
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              make_batch(open.store, std::vector<uint64_t>{99, 100});
            }),
            "[batch] event 100 is out of range; the store has 100 events");
}

TEST(Batch, NamesAnEventThatPointsOutsideTheStore) {
  auto message = [](auto damage) {
    StoreContent content = random_store({});
    damage(content.events[3]);
    OpenStore open(content);
    return message_of<DataError>([&] { make_batch(open.store, std::vector<uint64_t>{2, 3}); });
  };
  using Event = StoreContent::Event;
  EXPECT_NE(
      message([](Event& e) { e.document = 20; }).find("event 3 names document 20; there are 20"),
      std::string::npos);
  EXPECT_NE(message([](Event& e) { e.query = 6; }).find("event 3 names query 6; there are 6"),
            std::string::npos);
}

}  // namespace
}  // namespace lemur
