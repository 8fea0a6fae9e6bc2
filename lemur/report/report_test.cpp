#include "lemur/report/report.h"

#include <gtest/gtest.h>

#include "lemur/base/config.h"
#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/testing.h"
#include "lemur/data/run_folder.h"
#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

using Json = nlohmann::ordered_json;

class Report : public testing::Test {
 protected:
  Report() { write_store(folder_.path() / "store", random_store({})); }

  std::filesystem::path start_run(const std::string& name,
                                  const std::vector<std::string>& overrides = {}) {
    const SampleStore store(folder_.path() / "store");
    RunFolder(folder_.path() / name).create(parse_options("", "x", overrides), store);
    return folder_.path() / name;
  }

  std::filesystem::path write(const std::filesystem::path& name, const std::string& text) {
    write_file_atomically(folder_.path() / name, text);
    return folder_.path() / name;
  }

  TemporaryFolder folder_;
};

TEST_F(Report, OfARunThatHasJustBegunIsEmptyButComplete) {
  const Json report = collect_report({.runs = {start_run("begun")}, .benches = {}});
  const Json& run = report.at("runs").at(0);
  EXPECT_EQ(run.at("name"), "begun");
  EXPECT_EQ(run.at("finished"), false);
  EXPECT_TRUE(run.at("best_step").is_null());
  for (const char* list : {"evaluations", "baselines", "environment", "problems"})
    EXPECT_EQ(run.at(list), Json::array()) << list;
  EXPECT_GT(run.at("data").at("events"), 0);
  EXPECT_EQ(report.at("bench"), Json::array());
}

TEST_F(Report, KeepsWhatEvaluateAndTrainLeftInTheRun) {
  start_run("run");
  write("run/evaluation-test-step-000002.json", R"({"split":"test","auc":0.5})");
  write("run/evaluation-valid-step-000002.json", "{");
  write("run/environment.json", R"([{"time":100,"step":0,"cores":2}])");
  write("run/metrics.jsonl", R"({"step":5,"time":3700.0,"train/loss":1.0})");
  const Json run = collect_report({.runs = {folder_.path() / "run"}, .benches = {}})["runs"][0];
  ASSERT_EQ(run.at("evaluations").size(), 1u);
  EXPECT_EQ(run.at("evaluations")[0].at("auc"), 0.5);
  EXPECT_EQ(run.at("problems").dump(), R"(["evaluation-valid-step-000002.json is damaged"])");
  EXPECT_EQ(run.at("environment")[0].at("cores"), 2);
  EXPECT_EQ(run.at("hours"), 1.0);
  EXPECT_EQ(run.at("step"), 5);
}

TEST_F(Report, KeepsWhatBaselinesLeftInTheRun) {
  start_run("run");
  const std::string valid = R"({"split":"valid","methods":[{"name":"popularity","auc":0.5}]})";
  write("run/baselines-valid.json", valid);
  write("run/baselines-test.json", R"({"split":"test","methods":[{"auc":0.5}]})");
  write("run/baselines-train.json", "{");
  write("run/baselines-other.json", R"({"split":1,"methods":[]})");
  const Json run = collect_report({.runs = {folder_.path() / "run"}, .benches = {}})["runs"][0];
  EXPECT_EQ(run.at("baselines").dump(), "[" + valid + "]");
  EXPECT_EQ(run.at("problems").dump(),
            R"(["baselines-other.json is damaged","baselines-test.json is damaged",)"
            R"("baselines-train.json is damaged"])");
}

TEST_F(Report, NamesRunsOfOneNameByTheirPaths) {
  const auto first = start_run("a/run"), second = start_run("b/run"), third = start_run("other");
  const Json report = collect_report({.runs = {first, second, third / ""}, .benches = {}});
  EXPECT_EQ(report["runs"][0]["name"], first.string());
  EXPECT_EQ(report["runs"][1]["name"], second.string());
  EXPECT_EQ(report["runs"][2]["name"], "other");
}

TEST_F(Report, RefusesWhatIsNoRunAndWhatIsNoBench) {
  EXPECT_NE(message_of<DataError>([&] {
              collect_report({.runs = {folder_.path() / "store"}, .benches = {}});
            }).find("holds no run: config.toml is missing"),
            std::string::npos);
  start_run("run");
  write("run/config.toml", "[nonsense]");
  EXPECT_THROW(collect_report({.runs = {folder_.path() / "run"}, .benches = {}}), DataError);
  const auto bench = write("bench.jsonl", "{\"bench\":\"step\",\"case\":\"c\"}\n\n{\"bench\":1}\n");
  EXPECT_NE(message_of<DataError>([&] {
              collect_report({.runs = {}, .benches = {bench}});
            }).find("bench.jsonl line 3 is none of `lemur bench --json`: {\"bench\":1}"),
            std::string::npos);
  EXPECT_THROW(collect_report({.runs = {}, .benches = {folder_.path() / "none"}}), DataError);
}

TEST_F(Report, TakesTablesOfAblationsAndNothingElse) {
  const auto table = write("main.json", R"({"table":"main","title":"Main","rows":[]})");
  const Json report = collect_report({.runs = {}, .benches = {}, .ablations = {table}});
  EXPECT_EQ(report["ablations"].dump(), R"([{"table":"main","title":"Main","rows":[]}])");
  const auto broken = write("broken.json", R"({"table":"main","title":"Main","rows":[1]})");
  EXPECT_THROW(collect_report({.runs = {}, .benches = {}, .ablations = {broken}}), DataError);
  for (const char* wrong : {"{", "[]", R"({"table":"main"})"})
    expect_error<DataError>(
        [&] { collect_report({.runs = {}, .benches = {}, .ablations = {write("x.json", wrong)}}); },
        "x.json is no table of `lemur ablate`");
}

TEST_F(Report, BenchLinesKeepTheirOrderAndSayTheirFile) {
  const auto bench =
      write("b.jsonl", "{\"bench\":\"x\",\"case\":\"2\"}\n{\"bench\":\"x\",\"case\":\"1\"}\n");
  EXPECT_EQ(
      collect_report({.runs = {}, .benches = {bench}})["bench"].dump(),
      R"([{"bench":"x","case":"2","file":"b.jsonl"},{"bench":"x","case":"1","file":"b.jsonl"}])");
}

TEST(ConfigurationDifferences, OfOneRunAreThoseFromTheDefaults) {
  const FlatOptions run = flatten_options(parse_options("[train]\nepochs = 77\n", "x"));
  const Json differences = configuration_differences({"mine"}, {run});
  EXPECT_EQ(differences.at("columns").dump(), R"(["default","mine"])");
  ASSERT_EQ(differences.at("rows").size(), 1u);
  EXPECT_EQ(differences["rows"][0]["key"], "train.epochs");
  EXPECT_EQ(differences["rows"][0]["values"][1], "77");
}

TEST(ConfigurationDifferences, OfSeveralRunsListOnlyKeysThatDiffer) {
  const FlatOptions first = {{"a", "1"}, {"b", "2"}}, second = {{"a", "1"}, {"b", "3"}, {"c", "4"}};
  EXPECT_EQ(configuration_differences({"x", "y"}, {first, second}).at("rows").dump(),
            R"([{"key":"b","values":["2","3"]},{"key":"c","values":[null,"4"]}])");
  EXPECT_EQ(configuration_differences({"x", "y"}, {first, first}).at("rows").dump(), "[]");
}

TEST(ReportPage, NothingOfTheDataIsMarkup) {
  const std::string page = report_page({{"name", "</script><!--<img src=x>\xff"}});
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_NE(page.find(R"({"name":"\u003c/script>\u003c!--\u003cimg src=x>)"), std::string::npos);
  EXPECT_EQ(page.find("REPORT_DATA"), std::string::npos);
}

TEST(ReportPage, NamesNoFileAndAllowsOnlyWhatItHolds) {
  const std::string page = report_page(Json::object());
  for (const char* outside : {" src=\"", "href=\"", "url(", "@import", "HASHES"})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_NE(page.find("default-src 'none'; script-src 'sha256-"), std::string::npos);
  EXPECT_EQ(page.find("unsafe"), std::string::npos);
}

}  // namespace
}  // namespace lemur
