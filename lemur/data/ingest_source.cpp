#include "lemur/data/ingest_source.h"

#include <algorithm>
#include <cctype>

#include "lemur/base/config.h"
#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr const char* kWhere = "ingest";
constexpr std::string_view kSqlPrefix = "sql:";

/// Returns DuckDB's reader for the path's ending; empty where it is unknown.
std::string reader_of(std::string path, const std::string& more) {
  std::string arguments = sql_literal(path) + more;
  for (std::string_view packed : {".gz", ".zst"})
    if (path.ends_with(packed)) path.resize(path.size() - packed.size());
  auto ends_with = [&](auto... endings) { return (path.ends_with(endings) || ...); };
  if (ends_with(".parquet")) return "read_parquet(" + arguments + ")";
  // Everything as text: casts are ours, so that an error can name column, row and value.
  if (ends_with(".tsv")) arguments += ", delim = '\\t'";
  if (ends_with(".csv", ".tsv"))
    return "read_csv(" + arguments + ", all_varchar = true, header = true)";
  if (ends_with(".jsonl", ".ndjson")) return "read_ndjson_auto(" + arguments + ")";
  if (ends_with(".json")) return "read_json_auto(" + arguments + ")";
  return "";
}

/// Returns the folder of a path or glob, the part before the first wildcard.
std::filesystem::path folder_of(const std::filesystem::path& path) {
  std::filesystem::path folder;
  for (const auto& part : path.parent_path()) {
    if (part.string().find_first_of("*?[") != std::string::npos) break;
    folder /= part;
  }
  return folder;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace

IngestSource::IngestSource(Database& database, const std::string& text,
                           const std::filesystem::path& base)
    : database_(database), folder_(base) {
  if (text.starts_with(kSqlPrefix)) {
    name_ = text;
    std::string sql = text.substr(kSqlPrefix.size());
    sql.resize(sql.find_last_not_of("; \t\r\n") + 1);
    from_ = "(" + sql + "\n)";
  } else {
    std::string path = (base / text).string();
    folder_ /= folder_of(text);
    name_ = text;
    from_ = reader_of(path, "");
    if (from_.empty())
      fail<InvalidArgument>(
          kWhere,
          "{}: expected .parquet, .csv, .tsv, .json or .jsonl (.gz, .zst), or \"sql: SELECT ...\"",
          text);
    int64_t files = database.query_int64("SELECT count(*) FROM glob(" + sql_literal(path) + ")");
    if (files == 0) fail<InvalidArgument>(kWhere, "{}: no such file", path);
    if (files > 1) from_with_names_ = reader_of(path, ", filename = true");
    if (files == 1 && std::filesystem::exists(path) && std::filesystem::file_size(path) == 0)
      fail<DataError>(kWhere, "{} is empty", path);
  }
  try {
    columns_ = database.describe("SELECT * FROM " + from_);
    // A ragged CSV looks to DuckDB as one column; told the delimiter and to pad, it sees the
    // columns, and reading will name the ragged line.
    if (columns_.size() == 1 && columns_[0].name.find(',') != std::string::npos &&
        from_.starts_with("read_csv")) {
      std::string padded = from_;
      padded.insert(padded.size() - 1, ", delim = ',', null_padding = true");
      columns_ = database.describe("SELECT * FROM " + padded);
      std::string names;
      for (const auto& c : columns_) names += sql_literal(c.name) + ": 'VARCHAR', ";
      from_.insert(from_.size() - 1,
                   ", delim = ',', quote = '\"', auto_detect = false, columns = {" + names + "}");
    }
  } catch (const DataError& error) {
    fail<DataError>(kWhere, "{} cannot be read: {}", name_, error.what());
  }
}

bool IngestSource::has(const std::string& column) const {
  return std::ranges::find(columns_, column, &ColumnInfo::name) != columns_.end();
}

const ColumnInfo& IngestSource::column(const std::string& name) const {
  auto found = std::ranges::find(columns_, name, &ColumnInfo::name);
  if (found != columns_.end()) return *found;
  std::vector<std::string> names;
  for (const auto& c : columns_) names.push_back(c.name);
  fail<InvalidArgument>(kWhere, "{} has no column '{}'; nearest: '{}'; its columns: {}", name_,
                        name, nearest(name, names), fmt::join(names, ", "));
}

std::vector<std::string> IngestSource::mentioned(std::string_view sql) const {
  std::vector<std::string> names;
  std::string text = lower(sql);
  for (const auto& c : columns_)
    if (text.find(lower(c.name)) != std::string::npos) names.push_back(c.name);
  return names;
}

void IngestSource::materialize(const std::string& table, const std::string& columns) const {
  try {
    database_.execute("CREATE TABLE " + table + " AS SELECT row_number() OVER () - 1 AS __row" +
                      columns + " FROM " + from_);
  } catch (const DataError& error) {
    fail<DataError>(kWhere, "{} cannot be read: {}", name_, error.what());
  }
  if (database_.query_int64("SELECT count(*) FROM " + table) == 0)
    fail<DataError>(kWhere, "{} has no rows", name_);
}

IngestSource::Place IngestSource::place(const std::string& column, int64_t row) const {
  Place place{name_, row, "?"};
  bool is_glob = !from_with_names_.empty();
  std::string rows = "(SELECT row_number() OVER () - 1 AS __row, * FROM " +
                     (is_glob ? from_with_names_ : from_) + ")";
  database_.query(
      fmt::format("SELECT coalesce({}, 'NULL'), {} FROM {} WHERE __row = {}", text_sql(column),
                  is_glob ? "CAST(filename AS VARCHAR)" : "''", rows, row),
      [&](std::span<const ColumnView> view, size_t num_rows) {
        if (num_rows == 0) return;
        place.value = view[0].text(0).empty() ? "''" : std::string(view[0].text(0));
        if (is_glob) place.file = view[1].text(0);
      });
  if (is_glob)
    place.row -= database_.query_int64("SELECT min(__row) FROM " + rows +
                                       " WHERE filename = " + sql_literal(place.file));
  return place;
}

void IngestSource::fail_at(const std::string& column, int64_t row,
                           const std::string& complaint) const {
  Place found = place(column, row);
  fail<DataError>(kWhere, "{}: column '{}' holds {} at row {}; {}", found.file, column, found.value,
                  found.row, complaint);
}

std::string IngestSource::text_sql(const std::string& name, const std::string& alias) const {
  std::string value = alias + sql_name(name);
  // Cast to text, a JSON string would keep its quotes.
  if (column(name).sql_type == "JSON") return "(" + value + " ->> '$')";
  return "CAST(" + value + " AS VARCHAR)";
}

bool IngestSource::is_list(const std::string& name) const {
  return column(name).sql_type.ends_with("]");
}

std::string IngestSource::category_sql(const std::string& name, const std::string& alias) const {
  return is_list(name) ? "CAST(" + alias + sql_name(name) + " AS VARCHAR[])"
                       : text_sql(name, alias);
}

std::string IngestSource::number_sql(const std::string& name, const std::string& alias) const {
  return "TRY_CAST(" + alias + sql_name(name) + " AS DOUBLE)";
}

std::string IngestSource::time_sql(const std::string& name) const {
  const ColumnInfo& info = column(name);
  std::string column = sql_name(name);
  if (info.sql_type.starts_with("TIMESTAMP") || info.sql_type == "DATE")
    return "epoch_ms(CAST(" + column + " AS TIMESTAMP))";
  // Seconds of any date stay below 1e11 and milliseconds of any date since 1973 above; from 1e14 on
  // they would be microseconds. Doubles hold all of these exactly.
  std::string number = number_sql(name);
  std::string of_number = fmt::format(
      "CASE WHEN abs({0}) < 1e11 THEN CAST(round({0} * 1000) AS BIGINT) WHEN abs({0}) < 1e14 THEN "
      "CAST({0} AS BIGINT) END",
      number);
  if (info.sql_type != "VARCHAR" && info.sql_type != "JSON") return of_number;
  return "CASE WHEN " + number + " IS NOT NULL THEN " + of_number + " ELSE epoch_ms(TRY_CAST(" +
         text_sql(name) + " AS TIMESTAMPTZ)) END";
}

std::string IngestSource::label_sql(const std::string& name) const {
  std::string type = column(name).sql_type;
  if (type != "VARCHAR" && type != "JSON")
    return "CAST(CASE " + number_sql(name) + " WHEN 0 THEN 0 WHEN 1 THEN 1 END AS UTINYINT)";
  return "CAST(CASE lower(trim(" + text_sql(name) +
         ")) WHEN '0' THEN 0 WHEN '1' THEN 1 WHEN '0.0' THEN 0 WHEN '1.0' THEN 1 WHEN 'false' THEN "
         "0 WHEN 'true' THEN 1 END AS UTINYINT)";
}

}  // namespace lemur
