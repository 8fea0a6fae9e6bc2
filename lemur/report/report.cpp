#include "lemur/report/report.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <map>
#include <set>
#include <string_view>

#include "lemur/base/config.h"
#include "lemur/base/error.h"
#include "lemur/base/folder.h"

namespace lemur {

extern const std::string_view kReportPage;  // made of web/report.html

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string folder_name(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

std::vector<std::string> names_of(const std::vector<fs::path>& runs) {
  std::map<std::string, int> counts;
  for (const fs::path& run : runs) ++counts[folder_name(run)];
  std::vector<std::string> names;
  for (const fs::path& run : runs)
    names.push_back(counts[folder_name(run)] == 1 ? folder_name(run) : run.string());
  return names;
}

void read_bench(const fs::path& file, Json& lines) {
  std::ifstream in(file);
  if (!in) fail<DataError>("report", "cannot read {}", file.string());
  size_t number = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    if (text.empty()) continue;
    Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !line.value("bench", Json()).is_string() ||
        !line.value("case", Json()).is_string())
      fail<DataError>("report", "{} line {} is none of `lemur bench --json`: {}", file.string(),
                      number, text.substr(0, 60));
    line["file"] = file.filename().string();
    lines.push_back(std::move(line));
  }
}

/// Whether the page can show a row of a table of `lemur ablate`.
bool is_ablation_row(const Json& row) {
  if (!row.is_object() || !row.value("title", Json()).is_string()) return false;
  return std::ranges::all_of(std::array{"auc", "qauc", "uauc", "paper"},
                             [&](const char* key) { return row.value(key, Json()).is_object(); });
}

Json read_ablation(const fs::path& file) {
  Json table = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!table.is_object() || !table.value("table", Json()).is_string() ||
      !table.value("title", Json()).is_string() || !table.value("rows", Json()).is_array() ||
      !std::ranges::all_of(table["rows"], is_ablation_row))
    fail<DataError>("report", "{} is no table of `lemur ablate`", file.string());
  return table;
}

}  // namespace

Json configuration_differences(const std::vector<std::string>& names,
                               const std::vector<FlatOptions>& runs) {
  std::vector<std::string> columns = names;
  std::vector<FlatOptions> all = runs;
  if (all.size() == 1) {
    columns.insert(columns.begin(), "default");
    all.insert(all.begin(), flatten_options(Options{}));
  }
  std::vector<std::map<std::string, std::string>> values;
  for (const FlatOptions& options : all) values.emplace_back(options.begin(), options.end());
  Json rows = Json::array();
  std::set<std::string> seen;
  for (auto options = all.rbegin(); options != all.rend(); ++options)
    for (const auto& [key, unused] : *options) {
      if (!seen.insert(key).second) continue;
      Json of_key = Json::array();
      for (const auto& map : values)
        of_key.push_back(map.contains(key) ? Json(map.at(key)) : Json(nullptr));
      if (std::set<Json>(of_key.begin(), of_key.end()).size() > 1)
        rows.push_back({{"key", key}, {"values", of_key}});
    }
  return {{"columns", columns}, {"rows", rows}};
}

Json collect_report(const ReportInput& input) {
  Json report = {{"lemur", LEMUR_VERSION},
                 {"created", static_cast<int64_t>(std::time(nullptr))},
                 {"runs", Json::array()}};
  const std::vector<std::string> names = names_of(input.runs);
  std::vector<FlatOptions> options;
  for (size_t i = 0; i < input.runs.size(); ++i) {
    RunRecord run = read_run(input.runs[i], names[i]);
    report["runs"].push_back(std::move(run.json));
    options.push_back(std::move(run.options));
  }
  report["configuration"] = configuration_differences(names, options);
  report["bench"] = Json::array();
  for (const fs::path& file : input.benches) read_bench(file, report["bench"]);
  report["ablations"] = Json::array();
  for (const fs::path& file : input.ablations) report["ablations"].push_back(read_ablation(file));
  return report;
}

std::string report_page(const Json& data) {
  constexpr std::string_view kPlace = "REPORT_DATA";
  std::string text;
  for (const char character : data.dump(-1, ' ', false, Json::error_handler_t::replace))
    if (character == '<') {
      text += "\\u003c";  // so that nothing in it ends the element or begins another
    } else {
      text += character;
    }
  std::string page(kReportPage);
  const size_t at = page.find(kPlace);
  ensure(at != std::string::npos, "report", "the page has a place for its data");
  return page.replace(at, kPlace.size(), text);
}

}  // namespace lemur
