#include "lemur/data/column_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>

namespace lemur {
namespace {

constexpr int kShownText = 60, kShownRows = 3;

/// Why rows lack something, and the condition that they fulfil.
struct Reason {
  const char* why;
  std::string condition;
};

std::vector<Reason> reasons_of(const ReportedColumn& reported) {
  const SourceColumn& column = reported.column;
  const std::string& value = reported.sql;
  const ValueKind kind = value_kind(column.sql_type);
  std::vector<Reason> reasons;
  if (reported.use.as_text || reported.use.as_category || reported.use.as_number ||
      reported.use.as_image)
    reasons.push_back({"NULL", value + " IS NULL"});
  if (kind == ValueKind::kText && !reasons.empty())
    reasons.push_back({"empty", text_sql_of(column, value) + " = ''"});
  if (kind == ValueKind::kList) reasons.push_back({"empty list", "len(" + value + ") = 0"});
  if (reported.use.as_category && kind != ValueKind::kList)
    reasons.push_back(
        {"no whole number", value + " IS NOT NULL AND " + name_sql_of(column, value) + " IS NULL"});
  if (reported.use.as_number)
    reasons.push_back({"NaN", "isnan(" + number_sql_of(column, value) + ")"});
  return reasons;
}

/// SQL of what minimum and maximum are taken of.
std::string range_sql(const ReportedColumn& reported) {
  const ValueKind kind = value_kind(reported.column.sql_type);
  if (kind == ValueKind::kList || reported.use.as_image) return "CAST(NULL AS VARCHAR)";
  if (reported.use.as_number || kind == ValueKind::kReal) {
    const std::string number = number_sql_of(reported.column, reported.sql);
    return "CASE WHEN isfinite(" + number + ") THEN " + number + " END";
  }
  if (kind < ValueKind::kText) return reported.sql;
  return fmt::format("left({}, {})", text_sql_of(reported.column, reported.sql), kShownText);
}

std::string aggregates_sql(const ReportedColumn& reported, const std::vector<Reason>& reasons) {
  const std::string range = range_sql(reported);
  std::string list = fmt::format(
      ", count(*) - count({0}), {1}, CAST(min({2}) AS VARCHAR), CAST(max({2}) AS VARCHAR)",
      reported.sql,
      reported.use.as_image ? "CAST(NULL AS BIGINT)"
                            : "approx_count_distinct(" + reported.sql + ")",
      range);
  for (const Reason& reason : reasons)
    list += fmt::format(
        ", count(*) FILTER (WHERE {0}), CAST(min(__row, {1}) FILTER (WHERE {0}) AS VARCHAR[])",
        reason.condition, kShownRows);
  return list;
}

nlohmann::json text_or_null(const ColumnView& view) {
  return view.is_null(0) ? nlohmann::json(nullptr) : nlohmann::json(view.text(0));
}

/// Takes a column's aggregates from the front of `view`; rows stand for places for now.
nlohmann::json take_aggregates(std::span<const ColumnView>& view, int64_t rows,
                               const std::vector<Reason>& reasons) {
  nlohmann::json column = {{"rows", rows},
                           {"nulls", view[0].int64(0)},
                           {"distinct", nullptr},
                           {"min", text_or_null(view[2])},
                           {"max", text_or_null(view[3])}};
  const int64_t known = rows - view[0].int64(0);
  if (!view[1].is_null(0)) column["distinct"] = std::min(view[1].int64(0), known);
  view = view.subspan(4);
  for (const Reason& reason : reasons) {
    if (view[0].int64(0) > 0) {
      std::vector<std::string_view> texts;
      view[1].text_list(0, texts);
      nlohmann::json first = nlohmann::json::array();
      for (std::string_view text : texts) {
        int64_t row = 0;
        std::from_chars(text.data(), text.data() + text.size(), row);
        first.push_back(row);
      }
      column["missing"].push_back(
          {{"why", reason.why}, {"rows", view[0].int64(0)}, {"first", first}});
    }
    view = view.subspan(2);
  }
  return column;
}

}  // namespace

nlohmann::json report_columns(Database& database, const IngestSource& source,
                              const std::string& table,
                              const std::vector<ReportedColumn>& columns) {
  std::vector<std::vector<Reason>> reasons;
  std::string sql = "SELECT count(*)";
  for (const ReportedColumn& column : columns) {
    reasons.push_back(reasons_of(column));
    sql += aggregates_sql(column, reasons.back());
  }
  nlohmann::json report = nlohmann::json::object();
  database.query(sql + " FROM " + table, [&](std::span<const ColumnView> view, size_t count) {
    if (count == 0) return;
    const int64_t rows = view[0].int64(0);
    view = view.subspan(1);
    for (size_t i = 0; i < columns.size(); ++i)
      report[columns[i].column.name] = take_aggregates(view, rows, reasons[i]);
  });
  for (nlohmann::json& column : report)
    if (column.contains("missing"))
      for (nlohmann::json& missing : column["missing"])
        missing["first"] = source.places(missing["first"].get<std::vector<int64_t>>());
  return report;
}

}  // namespace lemur
