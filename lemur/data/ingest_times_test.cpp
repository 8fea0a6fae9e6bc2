// What numbers and texts mean as times, through ingest().
#include "lemur/data/ingest_times.h"

#include <gtest/gtest.h>

#include "lemur/data/ingest_testing.h"

namespace lemur {
namespace {

class IngestTimes : public IngestTest {
 protected:
  IngestTimes() {
    how.data.time_format.clear();
    how.data.columns.split.clear();
    how.now_ms = 1'750'000'000'000;  // 2025-06-15
  }
  /// Events of these times, as text, as they stand in CSV.
  void write_times(const std::vector<std::string>& times) {
    write("documents.csv", documents);
    std::string text = "user,document,time,label\n";
    for (const std::string& time : times) text += "u,d1," + time + ",1\n";
    write("events.csv", text);
  }
  std::vector<int64_t> read_times(const std::vector<std::string>& times) {
    write_times(times);
    SampleStore store = run();
    std::vector<int64_t> result(times.size());
    for (size_t i = 0; i < times.size(); ++i) result[store.rows()[i]] = store.times()[i];
    return result;
  }
  std::string error_of(const std::vector<std::string>& times) {
    write_times(times);
    return data_error();
  }
};

TEST_F(IngestTimes, FindsOneUnitForTheWholeColumn) {
  using Times = std::vector<int64_t>;
  EXPECT_EQ(read_times({"1700000000", "631152000"}), (Times{1'700'000'000'000, 631'152'000'000}));
  EXPECT_EQ(summary["times"]["events"],
            (nlohmann::json{
                {"unit", "s"}, {"first", "1990-01-01 00:00:00"}, {"last", "2023-11-14 22:13:20"}}));
  EXPECT_EQ(read_times({"1700000000123"}), Times{1'700'000'000'123});
  EXPECT_EQ(summary["times"]["events"]["unit"], "ms");
  EXPECT_EQ(read_times({"1700000000123999"}), Times{1'700'000'000'123});
  EXPECT_EQ(summary["times"]["events"]["unit"], "us");
  EXPECT_EQ(read_times({"1700000000123999999"}), Times{1'700'000'000'123});
  EXPECT_EQ(summary["times"]["events"]["unit"], "ns");
  EXPECT_EQ(read_times({"1700000000.25", "1.7e9"}), (Times{1'700'000'000'250, 1'700'000'000'000}));
  EXPECT_EQ(read_times({"2023-11-14 22:13:20.123", "2023-11-15T00:13:20+02:00"}),
            (Times{1'700'000'000'123, 1'700'000'000'000}));
  EXPECT_EQ(summary["times"]["events"]["unit"], "timestamps");
}

TEST_F(IngestTimes, RefusesAJumpAcrossUnits) {
  EXPECT_TRUE(holds(error_of({"1700000000", "1700000000000", "1700000001"}),
                    "events.csv: column 'time' holds 1700000000000 at row 1 (line 3); it looks "
                    "like a number of ms and the first row's like one of s; expected one unit"));
  EXPECT_TRUE(holds(error_of({"1700000000", "2023-11-14"}),
                    "holds 2023-11-14 at row 1 (line 3); expected a number, as the first row has"));
  EXPECT_TRUE(holds(error_of({"2023-11-14", "1700000000"}),
                    "holds 1700000000 at row 1 (line 3); expected a timestamp, as the first row"));
}

TEST_F(IngestTimes, RecognisesDatesWrittenAsNumbers) {
  for (const auto& [time, shape, pattern] :
       {std::tuple("20250131", "yyyymmdd", "%Y%m%d"),
        {"2025013123", "yyyymmddhh", "%Y%m%d%H"},
        {"202501312359", "yyyymmddhhmm", "%Y%m%d%H%M"},
        {"20250131235959", "yyyymmddhhmmss", "%Y%m%d%H%M%S"}}) {
    how.data.time_format.clear();
    EXPECT_TRUE(holds(error_of({time}), fmt::format("holds {} at row 0 (line 2); it looks like a "
                                                    "date written as {}; data.time_format = "
                                                    "\"{}\" reads it so",
                                                    time, shape, pattern)));
    how.data.time_format = pattern;
    EXPECT_EQ(utc_text(read_times({time})[0]).substr(0, 10), "2025-01-31");
    EXPECT_EQ(summary["times"]["events"]["unit"], pattern);
  }
}

TEST_F(IngestTimes, RefusesTimesBefore1990AndOfTheFuture) {
  EXPECT_TRUE(holds(error_of({"50"}),
                    "holds 50 at row 0 (line 2); expected a time between 1990-01-01 and a day from "
                    "now, 2025-06-16 15:06:40, in s, ms, us or ns since 1970, and in seconds it is "
                    "1970-01-01 00:00:50; data.time_format = \"s\""));
  EXPECT_TRUE(holds(error_of({"1700000000", "631151999"}), "in seconds it is 1989-12-31 23:59:59"));
  EXPECT_TRUE(holds(error_of({"1700000000", "1750086401"}), "it is 2025-06-16 15:06:41"));
  EXPECT_TRUE(holds(error_of({"1700000000", "0"}), "holds 0 at row 1 (line 3)"));
  EXPECT_TRUE(holds(error_of({"1989-12-31"}),
                    "holds 1989-12-31 at row 0 (line 2); expected a time "
                    "between 1990-01-01 and a day from now"));
  EXPECT_TRUE(holds(error_of({"2030-01-01"}), "holds 2030-01-01 at row 0"));
}

TEST_F(IngestTimes, TakesAnyTimeThatIsDeclared) {
  using Times = std::vector<int64_t>;
  how.data.time_format = "s";
  EXPECT_EQ(read_times({"50", "-1", "9000000000"}), (Times{50'000, -1000, 9'000'000'000'000}));
  EXPECT_TRUE(open_folder(how.store)["schema"]["has_declared_times"].get<bool>());
  how.data.time_format = "us";
  EXPECT_EQ(read_times({"1999", "-1", "-1000"}), (Times{1, -1, -1}));
  how.data.time_format = "ns";
  EXPECT_EQ(read_times({"9223372036854775807"}), Times{9'223'372'036'854});
  how.data.time_format = "ms";
  EXPECT_TRUE(holds(error_of({"9223372036854775807"}), "within 285,000 years of 1970"));
  EXPECT_TRUE(holds(error_of({"92233720368547758079"}), "expected a time"));
  how.data.time_format = "%d.%m.%Y %H:%M";
  EXPECT_EQ(read_times({"01.01.1970 00:01", "31.12.1969 23:59"}), (Times{60'000, -60'000}));
  EXPECT_TRUE(holds(error_of({"01.01.1970 00:01", "1.13.1970 00:01"}),
                    "holds 1.13.1970 00:01 at row 1 (line 3); expected a time written as "
                    "data.time_format = \"%d.%m.%Y %H:%M\""));
  how.data.time_format = "seconds";
  write_times({"1"});
  EXPECT_TRUE(holds(invalid_argument(), "data.time_format = \"seconds\": expected s, ms, us, ns"));
  how.data.time_format = "%Y-%Q";
  EXPECT_TRUE(holds(invalid_argument(),
                    "data.time_format = \"%Y-%Q\": expected s, ms, us, ns or a pattern such as "
                    "%Y%m%d; %Y-%Q: Unrecognized format"));
}

TEST_F(IngestTimes, ActionsAndTheQueryLogHaveTimesOfTheirOwn) {
  how.data.actions = "actions.jsonl";
  how.data.queries = "queries.csv";
  how.data.columns.action = "action";
  how.data.history = {{.name = "all"}};
  write_times({"1700000000"});
  write("actions.jsonl",
        R"({"user": "u", "document": "d1", "time": 1699999999000000, "action": "buy"})");
  write("queries.csv", "user,query,time\nu,red,2023-11-14\n");
  SampleStore store = run();
  EXPECT_EQ(summary["times"]["actions"]["unit"], "us");
  EXPECT_EQ(summary["times"]["queries"]["unit"], "timestamps");
  EXPECT_EQ(store.history(0, 0, store.request_times()[0]).times[0], 1'699'999'999'000);
  write("queries.csv", "user,query,time\nu,red,20231114\n");
  EXPECT_TRUE(holds(data_error(), "queries.csv: column 'time' holds 20231114 at row 0 (line 2)"));
}

TEST_F(IngestTimes, CsvParquetAndJsonAgreeOnFractions) {
  const std::string time = "[1700000000.1235, 1700000000.9999, 1699999999.0005][i + 1]";
  const std::string sql = "SELECT 'u' AS \"user\", 'd1' AS document, 1 AS label, CAST(" + time +
                          " AS DOUBLE) AS time FROM range(3) t(i)";
  write("documents.csv", documents);
  std::vector<std::vector<int64_t>> all;
  for (const char* name : {"e.parquet", "e.csv", "e.jsonl"}) {
    write_table(name, sql);
    how.data.events = name;
    SampleStore store = run();
    all.emplace_back(store.times().begin(), store.times().end());
  }
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
}

}  // namespace
}  // namespace lemur
