#include "lemur/data/ingest_source.h"

#include <algorithm>

#include "lemur/base/config.h"
#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr std::string_view kSqlPrefix = "sql:";

/// Returns DuckDB's reader for the file name's ending; empty where it is unknown.
std::string reader_of(std::string name, const std::string& literal) {
  for (const char* packed : {".gz", ".zst"})
    if (name.ends_with(packed)) name.resize(name.size() - std::string_view(packed).size());
  if (name.ends_with(".parquet")) return "read_parquet(" + literal + ")";
  // Everything as text: casts are ours, so that an error can name column, row and value.
  if (name.ends_with(".csv") || name.ends_with(".tsv"))
    return "read_csv(" + literal + ", all_varchar = true, header = true)";
  if (name.ends_with(".jsonl") || name.ends_with(".ndjson") || name.ends_with(".json"))
    return "read_json_auto(" + literal + ")";
  return "";
}

}  // namespace

IngestSource::IngestSource(Database& database, const std::string& text,
                           const std::filesystem::path& base) {
  if (text.starts_with(kSqlPrefix)) {
    name_ = "the SQL of the configuration";
    sql_ = "(" + text.substr(kSqlPrefix.size()) + ")";
  } else {
    std::string path = (base / text).string();
    name_ = text;
    sql_ = reader_of(path, sql_literal(path));
    if (sql_.empty())
      fail<InvalidArgument>(
          "ingest",
          "{}: expected .parquet, .csv, .tsv, .json or .jsonl (.gz, .zst), or \"sql: SELECT ...\"",
          text);
    if (database.query_int64("SELECT count(*) FROM glob(" + sql_literal(path) + ")") == 0)
      fail<InvalidArgument>("ingest", "{}: no such file", path);
  }
  try {
    columns_ = database.describe("SELECT * FROM " + sql_);
  } catch (const DataError& error) {
    fail<DataError>("ingest", "{} cannot be read: {}", name_, error.what());
  }
}

bool IngestSource::has(const std::string& column) const {
  return std::any_of(columns_.begin(), columns_.end(),
                     [&](const auto& c) { return c.name == column; });
}

void IngestSource::require(const std::string& column) const {
  if (has(column)) return;
  std::vector<std::string> names;
  for (const auto& c : columns_) names.push_back(c.name);
  fail<InvalidArgument>("ingest", "{} has no column '{}'; nearest: '{}'; its columns: {}", name_,
                        column, nearest(column, names), fmt::join(names, ", "));
}

const ColumnInfo& IngestSource::column(const std::string& name) const {
  require(name);
  return *std::find_if(columns_.begin(), columns_.end(),
                       [&](const auto& c) { return c.name == name; });
}

}  // namespace lemur
