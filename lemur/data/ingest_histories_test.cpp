#include "lemur/data/ingest_testing.h"

namespace lemur {
namespace {

/// "document/action" of a user's past, oldest first.
std::vector<std::string> past(const SampleStore& store, size_t history, uint32_t user,
                              int64_t request_time) {
  std::vector<std::string> items;
  const HistoryView view = store.history(history, user, request_time);
  for (size_t i = 0; i < view.size(); ++i)
    items.push_back(fmt::format("{}/{}", store.document_id(view.documents[i]),
                                store.schema().actions[view.actions[i]]));
  return items;
}

using Items = std::vector<std::string>;
constexpr int64_t kStart = 1'000'000'000'000;
constexpr int64_t kEnd = kStart + 1'000'000;

class HistoryTest : public IngestTest {
 protected:
  HistoryTest() {
    how.data.columns.labels = {"label", "liked"};
    events =
        "split,time,user,document,label,liked,rating,request\n"
        "train,1000000000000,u1,d1,1,0,4.5,a\n"
        "train,1000000001000,u1,d2,0,1,10,a\n"
        "train,1000000002000,u1,d3,0,0,,a\n"
        "train,1000000003000,u1,d1,1,1,2,b\n"
        "test,1000000004000,u1,d2,0,0,4,b\n";
    write("actions.csv",
          "time,user,document,action\n1000000000500,u1,d3,save\n1000000000700,u1,d1,share\n");
    write_inputs();
  }
};

TEST_F(HistoryTest, TakeWhatTheirConditionsHold) {
  how.data.actions = "actions.csv";
  const std::pair<const char*, Items> kConditions[] = {
      {"",
       {"d1/label", "d3/save", "d1/share", "d2/liked", "d3/impression", "d1/label",
        "d2/impression"}},
      {"label = 1", {"d1/label", "d1/label"}},
      {"label = 1 or liked = 1", {"d1/label", "d2/liked", "d1/label"}},
      {"rating >= 4", {"d1/label", "d2/liked", "d2/impression"}},
      {"rating is null", {"d3/impression"}},
      {"action in ('save', 'liked')", {"d3/save", "d2/liked"}},
      {"action <> 'impression'", {"d1/label", "d3/save", "d1/share", "d2/liked", "d1/label"}},
      {"user = 'u1' and document = 'd3'", {"d3/save", "d3/impression"}}};
  for (const auto& [where, items] : kConditions)
    how.data.history.push_back({.name = where, .where = where, .length = 100});
  SampleStore store = run();
  for (size_t h = 0; h < std::size(kConditions); ++h) {
    EXPECT_EQ(past(store, h, 0, kEnd), kConditions[h].second) << kConditions[h].first;
    EXPECT_EQ(store.schema().histories[h].where, kConditions[h].first);
  }
  EXPECT_TRUE(holds(summary["notes"].dump(), "history 'rating >= 4' takes nothing from actions"));
}

TEST_F(HistoryTest, AreCutAtTheRequestsFirstTimeLessTheDelay) {
  how.data.columns.request = "request";
  how.data.history = {{.name = "all"}, {.name = "late", .delay_seconds = 1}};
  SampleStore store = run();
  for (uint64_t event = 0; event < 5; ++event) {
    const bool second = event >= 3;  // of request b
    EXPECT_EQ(store.request_times()[event], kStart + (second ? 3000 : 0));
    EXPECT_EQ(past(store, 0, 0, store.request_times()[event]),
              second ? (Items{"d1/label", "d2/liked", "d3/impression"}) : Items{});
    EXPECT_EQ(past(store, 1, 0, store.request_times()[event]),
              second ? (Items{"d1/label", "d2/liked"}) : Items{});
  }
}

TEST_F(HistoryTest, RefuseConditionsThatNoTableCanAnswer) {
  how.data.history = {{.name = "h", .where = "lable = 1"}};
  EXPECT_TRUE(holds(invalid_argument(), "history 'h': where = \"lable = 1\" asks for lable"));
  how.data.history = {{.name = "h", .where = "label = 1) OR (1 = 1"}};
  EXPECT_TRUE(holds(invalid_argument(), "expected the end at character 10"));
}

TEST_F(HistoryTest, CutSplitsBetweenRequests) {
  how.data.columns.split.clear();
  how.data.columns.request = "request";
  how.data.split = {.valid = 0, .test = 0.4};
  SampleStore store = run();
  EXPECT_EQ(store.schema().split("train").end, 3U);
  EXPECT_EQ(store.schema().split("test").end, 5U);
}

}  // namespace
}  // namespace lemur
