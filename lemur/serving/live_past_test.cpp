#include "lemur/serving/live_past.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lemur/base/testing.h"
#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

constexpr int64_t kDelay = 7, kWindow = 20;

/// A store whose documents have a genre, g0 to g2, with counters by user and genre (of train, with
/// delay and window) and by a place that is no feature, and with histories of conditions.
struct Past {
  Past() {
    StoreSchema& schema = content.schema;
    schema.actions = {"click", "like", "impression", "save"};
    schema.histories = {{"all", 4, "", 0},
                        {"clicks", 4, "click = 1 and user <> 'u2'", 5},
                        {"saves", 3, "action = 'save' or place = 'home'", 0}};
    content.histories.emplace_back();
    schema.counters = {{.by = {"user", "genre"},
                        .of_document = {0, 1},
                        .label = "click",
                        .window_ms = kWindow,
                        .delay_ms = kDelay,
                        .smoothing = 2,
                        .splits = {"train"},
                        .rate_feature = 5,
                        .count_feature = 6},
                       {.by = {"place"},
                        .of_document = {0},
                        .label = "like",
                        .rate_feature = 7,
                        .count_feature = 8}};
    for (const char* name :
         {"rate(user,genre)", "count(user,genre)", "rate(place)", "count(place)"}) {
      schema.features.push_back({.name = name, .of = "cross", .is_number = true});
      content.features.push_back({.numbers = std::vector<float>(content.events.size())});
    }
    content.counters.resize(2);
    content.counters[0].parts.resize(2);
    for (uint32_t d = 0; d < content.document_ids.size(); ++d)
      content.counters[0].parts[1].push_back(counter_part(genre(d)));
    for (const auto& event : content.events) {
      content.counters[0].keys.push_back(key(content.user_ids[event.user], genre(event.document)));
      content.counters[1].keys.push_back(counter_key(std::vector{counter_part(std::nullopt)}));
    }
    write_store(folder.path() / "store", content);
    store = std::make_unique<SampleStore>(folder.path() / "store");
    catalogue = std::make_unique<Catalogue>(*store, Options{});
    past = std::make_unique<LivePast>(*catalogue);
  }

  static std::string genre(uint32_t document) { return fmt::format("g{}", document % 3); }
  static uint64_t key(std::string_view user, std::string_view genre) {
    return counter_key(std::vector{counter_part(user), counter_part(genre)});
  }

  CounterValues values(const std::string& user, const std::string& document, int64_t time) const {
    RankRequest request{.user = user, .time_ms = time};
    request.documents.push_back({.document = document});
    return past->counters().find(
        0, {&request, &request.documents[0], catalogue->user(user), catalogue->document(document)});
  }
  /// Documents of a history, oldest first.
  std::vector<std::string> read(size_t history, const std::string& user, int64_t time) const {
    std::vector<std::string> documents;
    for (const HistoryElement& element : past->histories().read(history, user, time))
      documents.push_back(element.document == kNone
                              ? past->histories().added_document(element.key)
                              : std::string(store->document_id(element.document)));
    return documents;
  }

  StoreContent content = random_store({.num_events = 300});
  TemporaryFolder folder;
  std::unique_ptr<SampleStore> store;
  std::unique_ptr<Catalogue> catalogue;
  std::unique_ptr<LivePast> past;
};

FeedbackEvent labelled_event(const std::string& document, int64_t time,
                             std::map<std::string, double> labels, const std::string& action = "") {
  FeedbackEvent event;
  event.user = "new";
  event.document = document;
  event.time_ms = time;
  event.labels = std::move(labels);
  event.action = action;
  return event;
}

TEST(LivePast, CountersAreWhatALookAtEveryCountedEventFinds) {
  const Past x;
  const auto& train = x.content.schema.split("train");
  for (size_t i = 0; i < x.content.events.size(); i += 7) {
    const auto& asked = x.content.events[i];
    CounterState expected;
    for (uint64_t e = train.begin; e < train.end; ++e) {
      const auto& event = x.content.events[e];
      if (event.time >= asked.time - kDelay || event.time < asked.time - kWindow) continue;
      ++expected.count_of_all;
      expected.positives_of_all += event.labels[0];
      if (event.user != asked.user || event.document % 3 != asked.document % 3) continue;
      ++expected.count;
      expected.positives += event.labels[0];
    }
    const CounterValues found = x.values(x.content.user_ids[asked.user],
                                         x.content.document_ids[asked.document], asked.time);
    const CounterValues values = counter_values(expected, 2);
    EXPECT_DOUBLE_EQ(found.rate, values.rate) << i;
    EXPECT_DOUBLE_EQ(found.count, values.count) << i;
  }
}

TEST(LivePast, FeedbackIsCountedUnderItsKeyOnceItIsKnown) {
  const Past x;
  EXPECT_TRUE(x.past->add(labelled_event("d4", 1000, {{"click", 1}})));
  EXPECT_TRUE(x.past->add(labelled_event("unheard of", 1000, {{"click", 1}})));
  EXPECT_TRUE(x.past->add(labelled_event("d4", 1000, {{"like", 1}})));  // says nothing of clicks
  const auto count = [&](const std::string& user, const std::string& document, int64_t time) {
    return std::lround(std::expm1(x.values(user, document, time).count));
  };
  EXPECT_EQ(count("new", "d1", 1000 + kDelay), 0);
  EXPECT_EQ(count("new", "d1", 1001 + kDelay), 1) << "of the same genre";
  EXPECT_EQ(count("new", "d2", 1001 + kDelay), 0);
  EXPECT_EQ(count("u1", "d4", 1001 + kDelay), 0);
  EXPECT_EQ(count("new", "another", 1001 + kDelay), 1) << "of no genre";
  EXPECT_EQ(count("new", "d1", 1000 + kWindow), 1);
  EXPECT_EQ(count("new", "d1", 1001 + kWindow), 0);
}

TEST(LivePast, SaysWhatClientsCannotGive) {
  const Past x;
  const auto missing = x.past->missing();
  ASSERT_EQ(missing.size(), 2u);
  EXPECT_EQ(missing[0].kind + " " + missing[0].name + " " + missing[0].column,
            "counter rate(place) place");
  EXPECT_EQ(missing[1].kind + " " + missing[1].name + " " + missing[1].column,
            "history saves place");
}

TEST(LivePast, FeedbackJoinsTheHistoriesWhoseConditionHolds) {
  const Past x;
  x.past->add(labelled_event("d1", 1000, {{"click", 0}}));
  x.past->add(labelled_event("d2", 1001, {{"click", 1}}));
  x.past->add(labelled_event("d3", 1002, {}, "save"));
  FeedbackEvent other = labelled_event("d4", 1003, {{"click", 1}});
  other.user = "u2";
  x.past->add(other);
  using Documents = std::vector<std::string>;
  EXPECT_EQ(x.read(0, "new", 2000), (Documents{"d1", "d2", "d3"}));
  EXPECT_EQ(x.read(1, "new", 2000), (Documents{"d2"}));
  EXPECT_EQ(x.read(2, "new", 2000), (Documents{"d3"}));
  EXPECT_EQ(x.read(0, "u2", 2000).back(), "d4");
  EXPECT_NE(x.read(1, "u2", 2000).back(), "d4");
  EXPECT_EQ(x.read(1, "new", 1006), Documents{}) << "known 5 ms later";
  EXPECT_EQ(x.read(1, "new", 1007), Documents{"d2"});
}

TEST(LivePast, TakesNoActionThatTheStoreLacks) {
  const Past x;
  EXPECT_FALSE(x.past->add(labelled_event("d1", 1000, {{"click", 1}}, "steal")));
  EXPECT_TRUE(x.read(0, "new", 2000).empty());
  EXPECT_EQ(x.values("new", "d1", 1001 + kDelay).count, 0);
}

TEST(LivePast, ADelayedHistoryKeepsWhatIsKnownBesideWhatIsNot) {
  const Past x;
  for (int i = 0; i < 12; ++i)
    x.past->add(labelled_event(fmt::format("d{}", i), 1000 + i, {{"click", 1}}));
  // At 1012 those before 1007 are known, the newest four of them are read.
  EXPECT_EQ(x.read(1, "new", 1012), (std::vector<std::string>{"d3", "d4", "d5", "d6"}));
  EXPECT_EQ(x.read(1, "new", 2000), (std::vector<std::string>{"d8", "d9", "d10", "d11"}));
}

}  // namespace
}  // namespace lemur
