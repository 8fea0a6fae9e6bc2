#include "lemur/report/metric_columns.h"

#include <gtest/gtest.h>

#include <array>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

MetricColumns read_lines(const std::string& lines, std::span<const double> starts = {},
                         size_t most_lines = 1000) {
  TemporaryFolder folder;
  write_file_atomically(folder.path() / "metrics.jsonl", lines);
  return read_metrics(folder.path(), starts, most_lines);
}

std::string line_at(int64_t step, double time, double loss) {
  return nlohmann::json({{"step", step}, {"time", time}, {"train/loss", loss}}).dump() + "\n";
}

TEST(MetricColumns, PartsIntervalsFromEvaluationsAndFillGapsWithNull) {
  const MetricColumns metrics =
      read_lines(R"({"step":10,"time":3600.0,"train/loss":0.5})"
                 "\n"
                 R"({"step":20,"time":5400.0,"train/loss":0.25,"bank/staleness":0.123456789})"
                 "\n"
                 R"({"step":20,"time":7200.0,"valid/auc":0.75})"
                 "\n"
                 R"({"step":30,"time":9000.0,"train/loss":null})"
                 "\n");
  EXPECT_EQ(metrics.training.at("step").dump(), "[10,20,30]");
  EXPECT_EQ(metrics.training.at("hours").dump(), "[0.0,0.5,1.5]");
  EXPECT_EQ(metrics.training.at("train/loss").dump(), "[0.5,0.25,null]");
  EXPECT_EQ(metrics.training.at("bank/staleness").dump(), "[null,0.123457,null]");
  EXPECT_EQ(metrics.validation.dump(), R"({"step":[20],"hours":[1.0],"valid/auc":[0.75]})");
  EXPECT_EQ(metrics.last_step, 30);
  EXPECT_EQ(metrics.hours, 1.5);
}

TEST(MetricColumns, HoursLeaveOutThePauseBeforeAResume) {
  const std::string lines = line_at(1, 4600, 1) + line_at(2, 101800, 1);
  const std::array<double, 2> starts = {1000, 100000};
  EXPECT_EQ(read_lines(lines, starts).training.at("hours").dump(), "[1.0,1.5]");
  EXPECT_EQ(read_lines(lines).training.at("hours").dump(), "[0.0,27.0]");
}

TEST(MetricColumns, CountsWhatIsNoLineButNotTheOneThatIsBeingWritten) {
  const MetricColumns metrics =
      read_lines(line_at(1, 5, 2) + "[]\n{\"step\":2}\n{\"step\":\"3\",\"time\":1}\n{\"step\":4,");
  EXPECT_EQ(metrics.unreadable_lines, 3);
  EXPECT_EQ(metrics.training.at("step").dump(), "[1]");
}

TEST(MetricColumns, AveragesNeighboursWhereThereAreTooMany) {
  std::string lines;
  for (int step = 1; step <= 7; ++step) lines += line_at(step, 3600.0 * step, step);
  const MetricColumns metrics = read_lines(lines, {}, 3);
  EXPECT_EQ(metrics.training.at("step").dump(), "[3,6,7]");
  EXPECT_EQ(metrics.training.at("hours").dump(), "[2.0,5.0,6.0]");
  EXPECT_EQ(metrics.training.at("train/loss").dump(), "[2.0,5.0,7.0]");
  EXPECT_EQ(read_lines(lines, {}, 7).training.at("step").size(), 7u);
}

TEST(MetricColumns, OfNoFileAreEmpty) {
  TemporaryFolder folder;
  const MetricColumns metrics = read_metrics(folder.path(), {});
  EXPECT_EQ(metrics.training.dump(), R"({"step":[],"hours":[]})");
  EXPECT_EQ(metrics.last_step, 0);
}

}  // namespace
}  // namespace lemur
