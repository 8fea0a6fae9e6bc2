// Formats and types of inputs, through ingest().
#include <gtest/gtest.h>

#include "lemur/data/ingest_testing.h"

namespace lemur {
namespace {

constexpr const char* kDocuments =
    "SELECT i AS document, 'title ' || i AS title FROM range(3) t(i)";

/// Events of the document that the time of day says, one an hour.
std::string events_sql(const std::string& time, const std::string& label) {
  return "SELECT 'train' AS split, " + time + " AS time, 'u' AS \"user\", i AS document, " + label +
         " AS label FROM range(3) t(i)";
}

TEST_F(IngestTest, ReadsEveryFormatAlike) {
  for (const char* ending :
       {".parquet", ".csv", ".csv.gz", ".csv.zst", ".jsonl", ".json", ".ndjson.gz", ".tsv"}) {
    how.data.documents = std::string("d") + ending;
    how.data.events = std::string("e") + ending;
    write_table(how.data.documents, kDocuments);
    write_table(how.data.events, events_sql("1000000000000 + i", "i % 2"));
    SampleStore store = run();
    EXPECT_EQ(store.document_id(2), "2") << ending;
    EXPECT_EQ(store.times()[2], 1000000000002) << ending;
    EXPECT_EQ(store.labels(0)[1], 1) << ending;
    EXPECT_EQ(store.labels(0)[2], 0) << ending;
    EXPECT_EQ(store.document_tokens(2, 0).size(), store.document_tokens(0, 0).size()) << ending;
  }
}

TEST_F(IngestTest, ReadsGlobsInTheOrderOfTheirNames) {
  write_table("documents.csv", kDocuments);
  write_table("e2.parquet", events_sql("50", "0"));
  write_table("e1.parquet", events_sql("50", "1"));
  how.data.events = "e*.parquet";
  SampleStore store = run();
  EXPECT_EQ(store.schema().num_events, 6U);
  EXPECT_EQ(store.labels(0)[0], 1);
  EXPECT_EQ(store.labels(0)[5], 0);
}

TEST_F(IngestTest, RunsSqlWithPathsRelativeToTheConfiguration) {
  write_inputs();
  how.data.events =
      "sql: SELECT e.*, tags FROM 'events.csv' e JOIN 'documents.csv' d USING (document) WHERE "
      "label = 1 -- positives\n;";
  how.data.feature = {{.column = "tags", .of = "context"}};
  SampleStore store = run();
  EXPECT_EQ(store.schema().num_events, 4U);
  EXPECT_EQ(store.categories(0).size(), 4U);
}

TEST_F(IngestTest, ReadsTimesInEverySpelling) {
  write_table("documents.csv", kDocuments);
  how.data.events = "e.parquet";
  how.data.time_format.clear();
  for (const char* time :
       {"1704067200", "1704067200::INTEGER", "1704067200000000", "1704067200000000000",
        "'1704067200000000000'", "1704067200.0::DECIMAL(20, 3)", "1704067200000",
        "1704067200.0::DOUBLE", "TIMESTAMP '2024-01-01'", "TIMESTAMPTZ '2024-01-01 01:00:00+01'",
        "DATE '2024-01-01'", "'2024-01-01 00:00:00'", "'2024-01-01T02:00:00+02:00'",
        "'2024-01-01T00:00:00Z'", "'1704067200'", "TIMESTAMP_NS '2024-01-01'",
        "TIMESTAMP_S '2024-01-01'"}) {
    write_table("e.parquet", events_sql(time, "1"));
    EXPECT_EQ(run().times()[0], 1704067200000) << time;
  }
  write_table("e.parquet", events_sql("1704067200.25::DOUBLE", "1"));
  EXPECT_EQ(run().times()[0], 1704067200250);
}

TEST_F(IngestTest, RefusesTimesThatAreNone) {
  write_table("documents.csv", kDocuments);
  how.data.events = "e.parquet";
  how.data.time_format.clear();
  for (const char* time :
       {"'soon'", "NULL::BIGINT", "'nan'::DOUBLE", "TIMESTAMP 'infinity'", "''", "'nan'"}) {
    write_table("e.parquet", events_sql(time, "1"));
    EXPECT_TRUE(holds(data_error(), "expected a time: a timestamp, or a number of seconds"))
        << time;
  }
  write_table("e.parquet", events_sql("[1704067200]", "1"));
  EXPECT_TRUE(holds(invalid_argument(), "column 'time' is INTEGER[]; expected times"));
}

TEST_F(IngestTest, ReadsLabelsInEverySpelling) {
  write_table("documents.csv", kDocuments);
  how.data.events = "e.parquet";
  for (const char* label : {"i > 0", "least(i, 1)::TINYINT", "least(i, 1)::DOUBLE",
                            "(i > 0)::VARCHAR", "['0', '1.0', ' TRUE '][i + 1]"}) {
    write_table("e.parquet", events_sql("i", label));
    SampleStore store = run();
    EXPECT_EQ(store.labels(0)[0], 0) << label;
    EXPECT_EQ(store.labels(0)[1], 1) << label;
    EXPECT_EQ(store.labels(0)[2], 1) << label;
  }
}

TEST_F(IngestTest, ReadsListsAsSeveralValues) {
  write_table("d.parquet",
              "SELECT i AS document, '' AS title, range(i) AS numbers, ['x', NULL, ''] AS texts "
              "FROM range(3) t(i)");
  write_table("events.csv", events_sql("i", "1"));
  how.data.documents = "d.parquet";
  how.data.feature = {{.column = "numbers", .of = "document"},
                      {.column = "texts", .of = "document"}};
  SampleStore store = run();
  EXPECT_TRUE(store.categories(0)[0].empty());
  ASSERT_EQ(store.categories(0)[2].size(), 2U);
  EXPECT_EQ(store.categories(0)[2][1], hash_bytes("1"));
  EXPECT_EQ(store.categories(1)[0].size(), 1U);
}

TEST_F(IngestTest, RefusesSourcesThatItCannotRead) {
  write_inputs();
  how.data.events = "missing.csv";
  EXPECT_TRUE(holds(invalid_argument(), "missing.csv: no such file"));
  how.data.events = "missing*.parquet";
  EXPECT_TRUE(holds(invalid_argument(), "missing*.parquet: no such file"));
  how.data.events = "events.xlsx";
  EXPECT_TRUE(holds(invalid_argument(), "events.xlsx: expected .parquet, .csv"));
  how.data.events = "sql: SELECT * FROM nothing";
  EXPECT_TRUE(holds(data_error(), "nothing"));
  how.data.events = "";
  EXPECT_TRUE(holds(invalid_argument(), "data.events are required"));
}

TEST_F(IngestTest, RefusesEmptyAndTruncatedFiles) {
  write_inputs();
  write("empty.csv", "");
  how.data.events = "empty.csv";
  EXPECT_TRUE(holds(data_error(), "empty.csv is empty"));
  write("header.csv", "split,time,user,document,label\n");
  how.data.events = "header.csv";
  EXPECT_EQ(data_error(), "[ingest] header.csv has no rows");
  write_table("none.parquet", events_sql("i", "1") + " LIMIT 0");
  how.data.events = "none.parquet";
  EXPECT_EQ(data_error(), "[ingest] none.parquet has no rows");
  write_table("whole.parquet", events_sql("i", "1"));
  std::string bytes = read_file(folder.path() / "whole.parquet");
  how.data.events = "cut.parquet";
  for (size_t size : {bytes.size() - 1, bytes.size() / 2, size_t{3}}) {
    write("cut.parquet", std::string_view(bytes).substr(0, size));
    EXPECT_TRUE(holds(data_error(), "cut.parquet cannot be read")) << size;
  }
  write("e1.parquet", read_file(folder.path() / "whole.parquet"));
  write("e2.parquet", std::string_view(bytes).substr(0, bytes.size() - 1));
  how.data.events = "e*.parquet";
  EXPECT_TRUE(holds(data_error(), "e2.parquet cannot be read"));
  how.data.events = "cut.parquet";
  // Whole at its ends, damaged in the middle.
  write_table("long.parquet",
              "SELECT 'train' AS split, i AS time, 'u' || hash(i) AS \"user\", 0 AS document, 1 AS "
              "label FROM range(10000) t(i)");
  bytes = read_file(folder.path() / "long.parquet");
  for (size_t i = bytes.size() / 4; i < bytes.size() / 2; ++i) bytes[i] = static_cast<char>(i * 7);
  write("cut.parquet", bytes);
  EXPECT_TRUE(holds(data_error(), "cut.parquet cannot be read"));
}

TEST_F(IngestTest, NamesTheLineOfARaggedCsv) {
  events += "train,1,u1\n";
  write_inputs();
  EXPECT_TRUE(holds(data_error(), "events.csv: line 8 has 3 fields; the header (line 1) has 5"));
}

}  // namespace
}  // namespace lemur
