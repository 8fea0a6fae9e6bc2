#include "lemur/ablate/result_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "lemur/ablate/interval.h"
#include "lemur/base/error.h"

namespace lemur {
namespace {

using Json = nlohmann::ordered_json;

/// Values of a metric by seed, empty where one of them is undefined.
std::vector<double> by_seed(const ArmResult& result, const char* metric) {
  std::vector<double> values;
  for (const Json& measured : result.measured) {
    const Json value = measured.value(metric, Json());
    if (!value.is_number()) return {};
    values.push_back(value);
  }
  return values;
}

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json metric_of(const ArmResult& result, const ArmResult* base, const char* metric) {
  const std::vector<double> values = by_seed(result, metric);
  Json json = {{"by_seed", values},
               {"mean", nullptr},
               {"half_width", nullptr},
               {"change_percent", nullptr},
               {"change_half_width", nullptr}};
  if (values.empty()) return json;
  const Interval own = interval_of(values);
  json["mean"] = own.mean;
  json["half_width"] = number(own.half_width);
  if (base == nullptr) return json;
  const std::vector<double> others = by_seed(*base, metric);
  if (others.size() != values.size() && others.size() != 1) return json;
  std::vector<double> changes;
  for (size_t i = 0; i < values.size(); ++i) {
    const double other = others[others.size() == 1 ? 0 : i];  // a baseline has no seeds
    changes.push_back(100 * (values[i] - other) / other);
  }
  const Interval change = interval_of(changes);
  json["change_percent"] = change.mean;
  json["change_half_width"] = number(change.half_width);
  return json;
}

/// Mean over the seeds, null where one lacks it.
Json mean_of(const std::vector<Json>& by_seed, const char* key) {
  std::vector<double> values;
  for (const Json& of_seed : by_seed) {
    if (!of_seed.value(key, Json()).is_number()) return nullptr;
    values.push_back(of_seed[key]);
  }
  return values.empty() ? Json(nullptr) : Json(interval_of(values).mean);
}

Json row_of(const TableRow& row, const ArmResult& result, const ArmResult* base) {
  return {{"arm", row.arm},
          {"title", row.title},
          {"learning_rate", number(result.learning_rate)},
          {"valid", result.valid},
          {"auc", metric_of(result, base, "auc")},
          {"qauc", metric_of(result, base, "qauc")},
          {"uauc", metric_of(result, base, "uauc")},
          {"parameters", mean_of(result.trained, "parameters")},
          {"flops_per_step", mean_of(result.trained, "flops_per_step")},
          {"ranker_flops_per_sample", mean_of(result.measured, "ranker_flops_per_sample")},
          {"samples_per_second", mean_of(result.trained, "samples_per_second")},
          {"hours", mean_of(result.trained, "hours")},
          {"paper",
           {{"auc", number(row.auc)},
            {"qauc", number(row.qauc)},
            {"parameters", number(row.parameters)},
            {"flops_per_step", number(row.flops)}}}};
}

/// A number and the half width of its interval.
std::string with_interval(const Json& json, const char* mean, const char* half, int digits,
                          const char* unit, bool sign) {
  if (!json[mean].is_number()) return "-";
  const auto value = json[mean].get<double>();
  std::string text = sign ? fmt::format("{:+.{}f}{}", value, digits, unit)
                          : fmt::format("{:.{}f}{}", value, digits, unit);
  if (json[half].is_number()) text += fmt::format(" ± {:.{}f}", json[half].get<double>(), digits);
  return text;
}

/// 1.23 K, M, G or T.
std::string with_letter(const Json& value) {
  if (!value.is_number()) return "-";
  static constexpr const char* kLetters[] = {"", " K", " M", " G", " T"};
  auto left = value.get<double>();
  size_t letter = 0;
  for (; left >= 1000 && letter + 1 < std::size(kLetters); ++letter) left /= 1000;
  return fmt::format("{:.{}f}{}", left, left < 10 ? 2 : left < 100 ? 1 : 0, kLetters[letter]);
}

std::string paper_figure(const Json& value, bool is_base) {
  if (!value.is_number()) return "-";
  return is_base ? fmt::format("{:.5f}", value.get<double>())
                 : fmt::format("{:+.2f}%", value.get<double>());
}

/// A title that ends no cell.
std::string escaped(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, 1, '\\');
  return text;
}

using Cells = std::vector<std::string>;

/// How a table is laid out: what it has figures of.
struct Columns {
  const char* second_metric;  // beside AUC
  bool paper_costs;
};

Columns columns_of(const Json& table) {
  const auto any = [&](const char* group, const char* key) {
    return std::ranges::any_of(table["rows"],
                               [&](const Json& row) { return row[group][key].is_number(); });
  };
  const bool users_only = !any("qauc", "mean") && any("uauc", "mean");
  return {users_only ? "uauc" : "qauc", any("paper", "flops_per_step")};
}

Cells cells_of(const Json& row, const std::string& base, const Columns& columns) {
  const bool is_base = row["arm"] == base;
  Cells cells = {escaped(row["title"])};
  for (const char* metric : {"auc", columns.second_metric}) {
    const Json& ours = row[metric];
    const char* published = metric == std::string_view("auc") ? "auc" : "qauc";
    cells.push_back(with_interval(ours, "mean", "half_width", 5, "", false));
    cells.push_back(
        is_base ? "" : with_interval(ours, "change_percent", "change_half_width", 2, "%", true));
    cells.push_back(paper_figure(row["paper"][published], is_base));
  }
  const auto cost = [&](const char* key) {
    cells.push_back(with_letter(row[key]));
    if (columns.paper_costs) cells.push_back(with_letter(row["paper"][key]));
  };
  cost("parameters");
  cost("flops_per_step");
  cells.push_back(with_letter(row["ranker_flops_per_sample"]));
  const Json& speed = row["samples_per_second"];
  cells.push_back(speed.is_number() ? fmt::format("{:.0f}", speed.get<double>()) : "-");
  cells.push_back(row["hours"].is_number() ? fmt::format("{:.2f}", row["hours"].get<double>())
                                           : "-");
  cells.push_back(row["learning_rate"].is_number()
                      ? fmt::format("{}", row["learning_rate"].get<double>())
                      : "-");
  return cells;
}

/// Characters, of UTF-8.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string line_of(const Cells& cells, const std::vector<size_t>& widths) {
  std::string line = "|";
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string space(widths[i] - width_of(cells[i]), ' ');
    line += i == 0 ? " " + cells[i] + space + " |" : " " + space + cells[i] + " |";
  }
  return line + "\n";
}

/// Of methods the best one by the first metric that any of them has.
size_t best_method(const Json& methods) {
  for (const char* metric : {"qauc", "uauc", "auc"}) {
    std::optional<size_t> best;
    double most = 0;
    for (size_t i = 0; i < methods.size(); ++i) {
      const Json value = methods[i].value(metric, Json());
      if (!value.is_number() || (best && value.get<double>() <= most)) continue;
      best = i, most = value.get<double>();
    }
    if (best) return *best;
  }
  return 0;
}

}  // namespace

void add_baselines(const Json& methods, AblationTable& table, std::vector<ArmResult>& results) {
  if (!methods.is_array() || methods.empty())
    fail<DataError>("ablate", "lemur baselines listed no methods");
  std::vector<TableRow> rows;
  std::vector<ArmResult> measured;
  for (const Json& method : methods) {
    if (!method.is_object() || !method.value("name", Json()).is_string())
      fail<DataError>("ablate", "lemur baselines listed a method without a name");
    const std::string name = method["name"];
    rows.push_back({.arm = "baselines/" + name, .title = name});
    measured.push_back({.measured = {method}});
  }
  table.base = rows[best_method(methods)].arm;
  table.rows.insert(table.rows.begin(), rows.begin(), rows.end());
  results.insert(results.begin(), measured.begin(), measured.end());
}

Json result_table(const AblationTable& table, const std::vector<ArmResult>& results) {
  const ArmResult* base = nullptr;
  size_t seeds = 0;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i].arm == table.base) base = &results[i];
    seeds = std::max(seeds, results[i].measured.size());
  }
  Json json = {{"table", table.name},
               {"title", table.title},
               {"base", table.base},
               {"seeds", seeds},
               {"rows", Json::array()}};
  for (size_t i = 0; i < table.rows.size(); ++i)
    json["rows"].push_back(
        row_of(table.rows[i], results[i], table.rows[i].arm == table.base ? nullptr : base));
  return json;
}

std::string table_to_markdown(const Json& table) {
  const Columns columns = columns_of(table);
  const bool users_only = columns.second_metric == std::string_view("uauc");
  Cells head = {"arm",
                "AUC",
                "change",
                "paper",
                users_only ? "UAUC" : "QAUC",
                "change",
                users_only ? "paper's QAUC" : "paper",
                "dense parameters"};
  if (columns.paper_costs) head.emplace_back("paper");
  head.emplace_back("FLOPs/step");
  if (columns.paper_costs) head.emplace_back("paper");
  for (const char* name : {"ranker FLOPs/sample", "samples/s", "hours", "learning rate"})
    head.push_back(name);
  std::vector<Cells> lines = {head};
  for (const Json& row : table["rows"]) lines.push_back(cells_of(row, table["base"], columns));
  std::vector<size_t> widths(head.size(), 3);
  for (const Cells& cells : lines)
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width_of(cells[i]));
  std::string text = fmt::format("## {}\n\n", table["title"].get<std::string>());
  for (size_t l = 0; l < lines.size(); ++l) {
    text += line_of(lines[l], widths);
    if (l > 0) continue;
    text += "|";
    for (size_t i = 0; i < widths.size(); ++i)
      text += (i == 0 ? ":" : "-") + std::string(widths[i], '-') + (i == 0 ? "-|" : ":|");
    text += "\n";
  }
  return text;
}

}  // namespace lemur
