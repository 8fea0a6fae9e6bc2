#include "lemur/data/ingest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/data/database.h"
#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

constexpr const char* kDocuments =
    "document,title,genres,price\na,Red fish,x y,1\nb,Blue fish,y,3\nc,,,\n";
constexpr const char* kEvents =
    "time,user,document,label,query,request,weight\n"
    "1000000000000,u1,a,1,Red Fish!,r1,1\n"
    "1000000001000,u1,b,0,red fish !,r2,0.5\n"
    "1000000002000,u2,c,0,,r3,1\n"
    "1000000003000,u1,a,1,blue,r4,1\n"
    "1000000004000,u2,b,1,blue,r5,1\n";

class Ingest : public testing::Test {
 protected:
  Ingest() {
    options_.base = folder_.path();
    options_.store = folder_.path() / "store";
    options_.threads = 2;
    DataOptions& data = options_.data;
    data.documents = "documents.csv";
    data.events = "events.csv";
    data.columns.request = "request";
    data.columns.query = "query";
    data.columns.weight = "weight";
    data.split = {.valid = 0.2, .test = 0.2};
    data.text = {{"title", 5}};
    data.feature = {{"document", "document"},
                    {"genres", "document", " "},
                    {"price", "document", "", "number"},
                    {"user", "user"}};
    data.history = {{"clicks", "label = 1", 10}, {"all", "", 10}};
    options_.tokenizer.vocabulary = 300;
    options_.tokenizer.min_count = 1;
    write("documents.csv", kDocuments);
    write("events.csv", kEvents);
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.path() / name, std::ios::binary) << text;
  }

  /// Returns the message of the error that ingest throws; empty when it throws none. No store may
  /// appear.
  std::string error() {
    try {
      ingest(options_);
    } catch (const Error& error) {
      EXPECT_FALSE(std::filesystem::exists(options_.store));
      return error.what();
    }
    return "";
  }

  std::string error_with_event(const std::string& row) {
    write("events.csv", std::string(kEvents) + row + "\n");
    return error();
  }

  TemporaryFolder folder_;
  IngestOptions options_;
};

TEST_F(Ingest, WritesWhatTheInputSays) {
  nlohmann::json summary = ingest(options_);
  SampleStore store(options_.store, /*verify=*/true);
  const StoreSchema& schema = store.schema();
  EXPECT_EQ(schema.num_documents, 3u);
  EXPECT_EQ(schema.num_users, 2u);
  EXPECT_EQ(schema.num_queries, 2u) << "'Red Fish!' and 'red fish !' are one";
  EXPECT_EQ(store.query_text(0), "red fish !");
  EXPECT_EQ(store.document_id(1), "b");
  EXPECT_EQ(store.user_id(1), "u2");
  EXPECT_EQ(store.times()[0], 1000000000000);
  EXPECT_EQ(store.queries()[0], store.queries()[1]);
  EXPECT_EQ(store.queries()[2], kNone);
  EXPECT_FLOAT_EQ(store.weights()[1], 0.5F);
  EXPECT_EQ(store.request_name(3), "r4");
  ASSERT_EQ(schema.splits.size(), 3u);
  EXPECT_EQ(schema.split("train").end, 3u);
  EXPECT_EQ(schema.split("test").begin, 4u);
  auto genres = store.categories(1)[0];
  ASSERT_EQ(genres.size(), 2u);
  EXPECT_EQ(genres[0], hash_bytes("x"));
  EXPECT_EQ(store.categories(1)[2].size(), 0u);
  EXPECT_FLOAT_EQ(store.numbers(2)[0], -1);
  EXPECT_FLOAT_EQ(store.numbers(2)[2], 0) << "missing";
  EXPECT_EQ(store.document_tokens(0, 0).size(), 2u);
  EXPECT_EQ(store.document_tokens(2, 0).size(), 0u);
  EXPECT_EQ(store.history(0, 0, 1000000003000).size(), 1u) << "strictly earlier clicks";
  EXPECT_EQ(store.history(1, 0, 1000000003001).size(), 3u);
  EXPECT_EQ(summary["events"]["rows"], 5);
  EXPECT_EQ(summary["features"]["document price"]["missing"], 1);
}

TEST_F(Ingest, ReadsParquetJsonPackedFilesGlobsAndSqlAlike) {
  ingest(options_);
  SampleStore reference(options_.store);
  Database database;
  std::string events = sql_literal((folder_.path() / "events.csv").string()),
              out = (folder_.path() / "events").string();
  for (const char* form : {".parquet", ".jsonl", ".csv.gz", ".csv.zst"}) {
    std::string how = std::string(form) == ".parquet"  ? "FORMAT parquet"
                      : std::string(form) == ".jsonl"  ? "FORMAT json"
                      : std::string(form) == ".csv.gz" ? "FORMAT csv, COMPRESSION gzip"
                                                       : "FORMAT csv, COMPRESSION zstd";
    database.execute("COPY (SELECT * FROM read_csv(" + events +
                     ", types = {'time': 'BIGINT'})) TO " + sql_literal(out + form) + " (" + how +
                     ")");
  }
  for (const char* source :
       {"events.parquet", "events.jsonl", "events.csv.gz", "events.csv.zst", "*.parquet",
        "sql: SELECT * REPLACE (make_timestamp(time * 1000) AS time) FROM "
        "read_parquet('events.parquet')",
        "sql: SELECT * REPLACE (time // 1000 AS time) FROM 'events.parquet'"}) {
    options_.data.events = source;
    ASSERT_EQ(error(), "") << source;
    SampleStore store(options_.store);
    EXPECT_TRUE(std::ranges::equal(store.times(), reference.times())) << source;
    EXPECT_TRUE(std::ranges::equal(store.requests(), reference.requests())) << source;
    EXPECT_TRUE(std::ranges::equal(store.labels(0), reference.labels(0))) << source;
    std::filesystem::remove_all(options_.store);
  }
}

TEST_F(Ingest, NamesFileColumnRowAndValueOfBadEvents) {
  EXPECT_EQ(error_with_event("1000000005000,u2,b,2,blue,r6,1"),
            "[ingest] events.csv: column 'label' holds 2 at row 5; expected 0 or 1");
  EXPECT_EQ(error_with_event("yesterday,u2,b,1,blue,r6,1"),
            "[ingest] events.csv: column 'time' holds yesterday at row 5; expected a timestamp, "
            "milliseconds or seconds");
  EXPECT_EQ(error_with_event("1000000005000,,b,1,blue,r6,1"),
            "[ingest] events.csv: column 'user' holds NULL at row 5; expected an ID");
  EXPECT_EQ(error_with_event("1000000005000,u2,b,1,blue,r6,-1"),
            "[ingest] events.csv: column 'weight' holds -1 at row 5; expected a finite number of "
            "at least 0");
  EXPECT_EQ(error_with_event("1000000005000,u2,b,1,blue,r6,nan"),
            "[ingest] events.csv: column 'weight' holds nan at row 5; expected a finite number of "
            "at least 0");
  EXPECT_NE(error_with_event("1000000005000,u2,z,1,blue,r6,1")
                .find("events.csv: column 'document' holds z at row 5, a document that "
                      "documents.csv lacks (1 such documents)"),
            std::string::npos);
}

TEST_F(Ingest, NamesFileColumnRowAndValueOfBadDocuments) {
  write("documents.csv", std::string(kDocuments) + "a,Again,x,1\n");
  EXPECT_EQ(error(),
            "[ingest] documents.csv: column 'document' holds a at row 0 and again at row 3; a "
            "document has one row");
  write("documents.csv", std::string(kDocuments) + "d,Cheap,x,cheap\n");
  EXPECT_EQ(
      error(),
      "[ingest] documents.csv: column 'price' holds cheap at row 3; expected a finite number");
  write("documents.csv", std::string(kDocuments) + "d,Cheap,x,NaN\n");
  EXPECT_EQ(error(),
            "[ingest] documents.csv: column 'price' holds NaN at row 3; expected a finite number");
  write("documents.csv", "document,title,genres,price\n");
  EXPECT_EQ(error(), "[ingest] documents.csv has no rows");
  write("documents.csv", "document,titel,genres,price\na,x,y,1\n");
  EXPECT_EQ(error(),
            "[ingest] documents.csv has no column 'title'; nearest: 'titel'; its columns: "
            "document, titel, genres, price");
}

TEST_F(Ingest, NamesFilesThatAreMissingTruncatedOrOfAnUnknownKind) {
  options_.data.events = "nothing.csv";
  EXPECT_NE(error().find("nothing.csv: no such file"), std::string::npos);
  options_.data.events = "events.xls";
  EXPECT_NE(error().find("events.xls: expected .parquet"), std::string::npos);
  Database().execute("COPY (SELECT * FROM range(1000)) TO " +
                     sql_literal((folder_.path() / "cut.parquet").string()) + " (FORMAT parquet)");
  std::filesystem::resize_file(folder_.path() / "cut.parquet", 300);
  options_.data.events = "cut.parquet";
  EXPECT_NE(error().find("cut.parquet cannot be read"), std::string::npos);
}

TEST_F(Ingest, KeepsEventsOfUnknownDocumentsWhenAskedAndCountsThem) {
  options_.data.unknown_documents = "keep";
  write("events.csv", std::string(kEvents) + "1000000005000,u2,z,1,blue,r6,1\n");
  nlohmann::json summary = ingest(options_);
  SampleStore store(options_.store);
  EXPECT_EQ(summary["documents"]["unknown"], 1);
  EXPECT_EQ(summary["documents"]["events_of_unknown"], 1);
  EXPECT_EQ(store.document_id(3), "z");
  EXPECT_EQ(store.document_tokens(3, 0).size(), 0u);
  EXPECT_EQ(store.categories(0)[3][0], hash_bytes("z"));
}

TEST_F(Ingest, NamesTheHistoryWhoseConditionIsWrong) {
  options_.data.history[0].where = "label ==== 1";
  EXPECT_NE(error().find("[ingest] history 'clicks': where = \"label ==== 1\""), std::string::npos);
}

TEST_F(Ingest, TakesHistoriesFromActionsToo) {
  write("actions.csv", "time,user,document,action\n999999999000,u1,c,purchase\n");
  options_.data.actions = "actions.csv";
  ingest(options_);
  SampleStore store(options_.store);
  HistoryView view = store.history(1, 0, 1000000000001);
  ASSERT_EQ(view.size(), 2u);
  EXPECT_EQ(store.document_id(view.documents[0]), "c");
  EXPECT_EQ(store.schema().actions[view.actions[0]], "purchase");
  EXPECT_EQ(store.schema().actions[view.actions[1]], "label");
}

TEST_F(Ingest, FailureLeavesAnOlderStore) {
  ingest(options_);
  write("events.csv", std::string(kEvents) + "1000000005000,u2,b,7,blue,r6,1\n");
  EXPECT_THROW(ingest(options_), DataError);
  EXPECT_EQ(SampleStore(options_.store, true).schema().num_events, 5u);
}

/// What a counter must know at an event, by looking at every other event.
struct Expected {
  double rate, count;
};

TEST_F(Ingest, CountersKnowEarlierEventsOnly) {
  std::mt19937 random(3);
  std::vector<std::array<int64_t, 4>> rows;  // time, user, document, label; many equal times
  std::string text = "time,user,document,label\n";
  for (int i = 0; i < 400; ++i) {
    rows.push_back({1000000000000 + static_cast<int64_t>(random() % 100) * 500,
                    static_cast<int64_t>(random() % 4), static_cast<int64_t>(random() % 3),
                    static_cast<int64_t>(random() % 2)});
    text += fmt::format("{},u{},{},{}\n", rows.back()[0], rows.back()[1], "abc"[rows.back()[2]],
                        rows.back()[3]);
  }
  write("events.csv", text);
  DataOptions& data = options_.data;
  data.columns.request = data.columns.query = data.columns.weight = "";
  data.feature = {{"document", "document"}};
  data.counter = {{.by = {"user"}, .smoothing = 5},
                  {.by = {"user", "genres"},
                   .window_days = 10.0 / 86400,
                   .delay_seconds = 2,
                   .smoothing = 5,
                   .splits = {"train"}}};
  ingest(options_);
  SampleStore store(options_.store);
  const StoreSchema& schema = store.schema();
  auto train_end = schema.split("train").end;
  std::vector<bool> is_train(rows.size());
  for (uint64_t e = 0; e < train_end; ++e) is_train[store.rows()[e]] = true;
  const std::string genres[] = {"x y", "y", ""};
  auto expected = [&](size_t counter, size_t row) {
    bool second = counter == 1;
    double count = 0, clicks = 0, all = 0, all_clicks = 0;
    for (size_t other = 0; other < rows.size(); ++other) {
      int64_t gap = rows[row][0] - rows[other][0];
      if (gap < (second ? 2001 : 1) || (second && (gap > 10000 || !is_train[other]))) continue;
      ++all, all_clicks += static_cast<double>(rows[other][3]);
      bool same = rows[other][1] == rows[row][1] &&
                  (!second || genres[rows[other][2]] == genres[rows[row][2]]);
      if (same) ++count, clicks += static_cast<double>(rows[other][3]);
    }
    return Expected{(clicks + 5 * (all_clicks + 1) / (all + 2)) / (count + 5), std::log(1 + count)};
  };
  for (size_t counter : {0, 1}) {
    size_t rate = 1 + 2 * counter, count = rate + 1;
    for (uint64_t e = 0; e < schema.num_events; ++e) {
      Expected want = expected(counter, store.rows()[e]);
      ASSERT_NEAR(
          store.numbers(rate)[e] * schema.features[rate].deviation + schema.features[rate].mean,
          want.rate, 1e-5)
          << counter << " " << e;
      ASSERT_NEAR(
          store.numbers(count)[e] * schema.features[count].deviation + schema.features[count].mean,
          want.count, 1e-5)
          << counter << " " << e;
    }
  }
}

}  // namespace
}  // namespace lemur
