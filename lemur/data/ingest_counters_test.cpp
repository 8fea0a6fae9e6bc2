#include <cmath>
#include <random>

#include "lemur/data/ingest_testing.h"
#include "lemur/features/counter.h"
#include "lemur/features/known.h"

namespace lemur {
namespace {

struct Row {
  std::string split, user, document, place, request;
  int64_t time;
  int label;
};

/// Random events of few keys, whose requests have several events some seconds apart.
std::vector<Row> random_rows(size_t count) {
  std::mt19937 random(7);
  std::vector<Row> rows;
  for (size_t i = 0; i < count; ++i) {
    const size_t request = random() % (count / 3);
    Row row{.split = std::vector{"train", "valid", "test"}[request % 3],
            .user = fmt::format("u{}", request % 4),
            .document = fmt::format("d{}", 1 + random() % 3),
            .place = random() % 4 == 0 ? "" : fmt::format("p{}", random() % 2),
            .request = fmt::format("r{}", request),
            .time = 1'000'000'000'000 + static_cast<int64_t>(request * 700 + random() % 5 * 1000),
            .label = static_cast<int>(random() % 2)};
    rows.push_back(row);
  }
  return rows;
}

std::string csv_of(const std::vector<Row>& rows) {
  std::string text = "split,time,user,document,label,place,request\n";
  for (const Row& row : rows)
    text += fmt::format("{},{},{},{},{},{},{}\n", row.split, row.time, row.user, row.document,
                        row.label, row.place, row.request);
  return text;
}

/// What the rules say of `event`, by looking at every event.
CounterValues expected(const std::vector<Row>& rows, const CounterOptions& counter,
                       const Row& event) {
  const auto key = [&](const Row& row) {
    std::string text;
    for (const std::string& column : counter.by)
      text += (column == "user"    ? row.user
               : column == "place" ? row.place
               : column == "tags"  ? (row.document == "d1"   ? "a b"
                                      : row.document == "d2" ? "b"
                                                             : "")
                                   : row.document) +
              "/";
    return text;
  };
  int64_t first = event.time;
  for (const Row& row : rows)
    if (row.request == event.request) first = std::min(first, row.time);
  const auto delay = static_cast<int64_t>(counter.delay_seconds * 1000);
  const auto window = static_cast<int64_t>(counter.window_days * 86'400'000);
  CounterState state;
  for (const Row& row : rows) {
    if (row.time >= first - delay || (window > 0 && row.time < first - window)) continue;
    if (!counter.splits.empty() && counter.splits[0] != row.split) continue;
    ++state.count_of_all, state.positives_of_all += row.label;
    if (key(row) == key(event)) ++state.count, state.positives += row.label;
  }
  return counter_values(state, counter.smoothing);
}

class CounterTest : public IngestTest {
 protected:
  CounterTest() : rows(random_rows(300)) {
    how.data.columns.request = "request";
    how.data.counter = {
        {.by = {"user"}},
        {.by = {"document"}, .delay_seconds = 3},
        {.by = {"user", "document"}, .window_days = 10 / 86400.0},
        {.by = {"tags", "place"}, .window_days = 20 / 86400.0, .delay_seconds = 2, .smoothing = 0},
        {.by = {"user"}, .splits = {"train"}}};
    events = csv_of(rows);
    write_inputs();
  }
  std::vector<Row> rows;
};

TEST_F(CounterTest, CountWhatTheRequestKnew) {
  SampleStore store = run();
  const auto& schema = store.schema();
  ASSERT_EQ(schema.counters.size(), how.data.counter.size());
  EXPECT_EQ(schema.features[8].name, "rate(user)#2");
  for (size_t c = 0; c < schema.counters.size(); ++c) {
    const StoreSchema::Counter& counter = schema.counters[c];
    const NumberScale& rate = schema.features[counter.rate_feature].scale;
    const NumberScale& count = schema.features[counter.count_feature].scale;
    EXPECT_GT(count.deviation, 0.1) << "the test shows something";
    for (uint64_t event = 0; event < schema.num_events; ++event) {
      const CounterValues values = expected(rows, how.data.counter[c], rows[store.rows()[event]]);
      ASSERT_FLOAT_EQ(store.numbers(counter.rate_feature)[event], rate.apply(values.rate)) << c;
      ASSERT_FLOAT_EQ(store.numbers(counter.count_feature)[event], count.apply(values.count)) << c;
    }
  }
}

TEST_F(CounterTest, CountClicksOfDocumentsAndQueriesWhereNothingIsSaid) {
  how.data.columns.query = "place";
  how.data.counter = {};
  const auto bys = [&] {
    std::vector<std::vector<std::string>> found;
    const SampleStore store = run();
    for (const auto& counter : store.schema().counters) {
      EXPECT_EQ(counter.splits, std::vector<std::string>{"train"});
      EXPECT_EQ(counter.label, "label");
      found.push_back(counter.by);
    }
    return found;
  };
  using Bys = std::vector<std::vector<std::string>>;
  EXPECT_EQ(bys(), (Bys{{"document"}, {"place", "document"}}));
  how.data.counter = {{.by = {"user"}, .splits = {"train"}}};
  EXPECT_EQ(bys(), Bys{{"user"}}) << "what is said counts";
  how.data.counter = {};
  how.data.click_counters = false;
  EXPECT_EQ(bys(), Bys());
  how.data.click_counters = true;
  how.data.columns.query = "";
  EXPECT_EQ(bys(), Bys()) << "a feed has none by itself";
}

TEST_F(CounterTest, AreTheSameFromTheIndexThatServingAsks) {
  SampleStore store = run();
  const auto& schema = store.schema();
  for (size_t c = 0; c < schema.counters.size(); ++c) {
    const StoreSchema::Counter& counter = schema.counters[c];
    std::vector<uint64_t> keys;
    std::vector<int64_t> times;
    std::vector<uint8_t> labels;
    for (const auto& split : schema.splits) {
      if (!counter.splits.empty() && counter.splits[0] != split.name) continue;
      for (uint64_t event = split.begin; event < split.end; ++event) {
        keys.push_back(store.counter_keys(c)[event]);
        times.push_back(store.times()[event]);
        labels.push_back(store.labels(0)[event]);
      }
    }
    CounterIndex index(counter);
    index.build(keys, times, labels);
    for (uint64_t event = 0; event < schema.num_events; ++event) {
      const CounterValues values =
          counter_values(index.find(store.counter_keys(c)[event], store.request_times()[event]),
                         counter.smoothing);
      ASSERT_EQ(store.numbers(counter.rate_feature)[event],
                schema.features[counter.rate_feature].scale.apply(values.rate));
      ASSERT_EQ(store.numbers(counter.count_feature)[event],
                schema.features[counter.count_feature].scale.apply(values.count));
    }
  }
}

TEST_F(CounterTest, KeysCanBeMadeAgainFromTheirParts) {
  SampleStore store = run();
  for (uint64_t event = 0; event < store.schema().num_events; ++event) {
    const Row& row = rows[store.rows()[event]];
    const uint32_t document = store.documents()[event];
    EXPECT_EQ(store.counter_keys(0)[event], counter_key(std::vector{counter_part(row.user)}));
    EXPECT_EQ(store.counter_keys(2)[event],
              counter_key(std::vector{counter_part(row.user), counter_part(row.document)}));
    const uint64_t place =
        counter_part(row.place.empty() ? std::nullopt : std::optional<std::string_view>(row.place));
    EXPECT_EQ(store.counter_keys(3)[event],
              counter_key(std::vector{store.counter_parts(3, 0)[document], place}));
  }
  EXPECT_EQ(store.counter_parts(3, 0)[0], counter_part("a b"));
  EXPECT_EQ(store.counter_parts(3, 0)[2], counter_part(std::nullopt));
  EXPECT_TRUE(store.counter_parts(3, 1).empty());
}

TEST_F(CounterTest, LeaveNothingBehind) {
  run();
  for (const auto& entry : std::filesystem::directory_iterator(how.store))
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
}

TEST_F(CounterTest, RefuseAWindowWithinTheDelayAndUnknownSplits) {
  how.data.counter = {{.by = {"user"}, .window_days = 1, .delay_seconds = 86400}};
  EXPECT_TRUE(holds(invalid_argument(), "it would count nothing"));
  how.data.counter = {{.by = {"user"}, .splits = {"trian"}}};
  EXPECT_TRUE(holds(invalid_argument(), "there is no split 'trian'"));
}

}  // namespace
}  // namespace lemur
