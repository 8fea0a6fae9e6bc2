#include "lemur/ablate/result_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lemur/ablate/interval.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

using Json = nlohmann::ordered_json;

TEST(Interval, IsStudentsOfThreeValues) {
  const std::vector<double> values = {1, 2, 3};
  const Interval interval = interval_of(values);
  EXPECT_EQ(interval.mean, 2);
  EXPECT_NEAR(*interval.half_width, 4.3027 / std::sqrt(3.0), 1e-9);
  EXPECT_EQ(interval_of(std::span(values).first(1)).half_width, std::nullopt);
  const std::vector<double> many(100, 0.5);
  EXPECT_EQ(interval_of(many).half_width, 0);
}

AblationTable two_rows() {
  return {.name = "t",
          .title = "T",
          .base = "a",
          .rows = {{.arm = "a", .title = "A", .auc = 0.7},
                   {.arm = "b", .title = "B", .auc = 0.5, .flops = 1673e9}}};
}

ArmResult result_of(const std::vector<double>& aucs) {
  ArmResult result{.learning_rate = 0.001, .valid = {{"0.001", 0.8}}};
  for (const double auc : aucs) {
    result.measured.push_back({{"auc", auc}, {"qauc", nullptr}});
    result.trained.push_back({{"parameters", 1000},
                              {"flops_per_step", 2.5e9},
                              {"samples_per_second", 100},
                              {"hours", 0.25}});
  }
  return result;
}

TEST(ResultTable, ComparesArmsOnTheSameSeed) {
  // Apart the seeds differ by far more than the arms do: only paired is the gain certain.
  const Json table = result_table(two_rows(), {result_of({0.5, 0.8}), result_of({0.505, 0.808})});
  const Json& auc = table["rows"][1]["auc"];
  EXPECT_NEAR(auc["mean"].get<double>(), 0.6565, 1e-12);
  EXPECT_NEAR(auc["change_percent"].get<double>(), 1, 1e-9);
  EXPECT_NEAR(auc["change_half_width"].get<double>(), 0, 1e-9);
  EXPECT_GT(auc["half_width"].get<double>(), 0.5);
  EXPECT_TRUE(table["rows"][0]["auc"]["change_percent"].is_null()) << "the base itself";
  EXPECT_TRUE(table["rows"][1]["qauc"]["mean"].is_null()) << "undefined for a seed";
  EXPECT_EQ(table["seeds"], 2);
}

TEST(ResultTable, StandsBesideThePapersFigures) {
  const std::string text = table_to_markdown(
      result_table(two_rows(), {result_of({0.5, 0.8}), result_of({0.505, 0.808})}));
  EXPECT_NE(text.find("| 0.70000 |"), std::string::npos) << text;
  EXPECT_NE(text.find("+1.00% ± 0.00"), std::string::npos) << text;
  EXPECT_NE(text.find("+0.50%"), std::string::npos) << text;
  EXPECT_NE(text.find("1.67 T"), std::string::npos) << text;
  EXPECT_NE(text.find("2.50 G"), std::string::npos) << text;
}

TEST(ResultTable, ShowsUaucWhereNoRequestHasBothLabels) {
  ArmResult a = result_of({0.5}), b = result_of({0.6});
  EXPECT_NE(table_to_markdown(result_table(two_rows(), {a, b})).find(" QAUC "), std::string::npos);
  a.measured[0]["uauc"] = 0.4;
  b.measured[0]["uauc"] = 0.5;
  const std::string text = table_to_markdown(result_table(two_rows(), {a, b}));
  EXPECT_NE(text.find(" UAUC "), std::string::npos) << text;
  EXPECT_NE(text.find("+25.00%"), std::string::npos) << text;
}

Json two_methods(const char* metric) {
  return {{{"name", "popularity"}, {"how", "clicks"}, {"auc", 0.7}, {metric, 0.5}},
          {{"name", "trees"}, {"how", "many"}, {"auc", 0.6}, {metric, 0.64}}};
}

TEST(ResultTable, ComparesWithTheBestBaselineByRequest) {
  AblationTable table{.name = "t", .title = "T", .base = "a", .rows = {{.arm = "a", .title = "A"}}};
  std::vector<ArmResult> results = {result_of({0.66, 0.72})};
  results[0].measured[0]["qauc"] = 0.8;
  results[0].measured[1]["qauc"] = 0.96;
  add_baselines(two_methods("qauc"), table, results);
  const Json json = result_table(table, results);
  EXPECT_EQ(json["base"], "baselines/trees");
  EXPECT_EQ(json["seeds"], 2) << "those of the model";
  ASSERT_EQ(json["rows"].size(), 3U);
  EXPECT_EQ(json["rows"][0]["title"], "popularity");
  EXPECT_EQ(json["rows"][2]["title"], "A");
  const auto change = [&](size_t row, const char* metric) {
    return json["rows"][row][metric]["change_percent"];
  };
  EXPECT_NEAR(change(0, "auc").get<double>(), 100 * 0.1 / 0.6, 1e-9);
  EXPECT_TRUE(change(1, "auc").is_null()) << "the base itself";
  EXPECT_NEAR(change(2, "auc").get<double>(), 15, 1e-9) << "10 and 20 %";
  EXPECT_NEAR(change(2, "qauc").get<double>(), 37.5, 1e-9) << "25 and 50 %";
  EXPECT_NEAR(json["rows"][2]["auc"]["change_half_width"].get<double>(), 12.7062 * 5, 1e-6);
  EXPECT_TRUE(json["rows"][0]["auc"]["half_width"].is_null());
  EXPECT_NE(table_to_markdown(json).find("+37.50%"), std::string::npos);
}

TEST(ResultTable, TakesTheBestBaselineByUsersWhereNoRequestHasBothLabels) {
  AblationTable table{.base = "a", .rows = {{.arm = "a"}}};
  std::vector<ArmResult> results = {result_of({0.66})};
  add_baselines(two_methods("uauc"), table, results);
  EXPECT_EQ(table.base, "baselines/trees");
  table.rows = {{.arm = "a"}};
  add_baselines(two_methods("mrr"), table, results);
  EXPECT_EQ(table.base, "baselines/popularity") << "by AUC";
  for (const Json& wrong : {Json(), Json::array(), Json{{{"auc", 0.5}}}, Json{1}})
    expect_error<DataError>([&] { add_baselines(wrong, table, results); },
                            "lemur baselines listed ");
}

TEST(ResultTable, HasLinesOfOneWidth) {
  const std::string text =
      table_to_markdown(result_table(two_rows(), {result_of({0.5}), result_of({1})}));
  std::vector<size_t> bars;
  size_t begin = text.find("| arm");
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    if (!line.empty())
      bars.push_back(static_cast<size_t>(std::count(line.begin(), line.end(), '|')));
    begin = end + 1;
  }
  ASSERT_EQ(bars.size(), 4U);
  for (const size_t count : bars) EXPECT_EQ(count, bars[0]);
}

}  // namespace
}  // namespace lemur
