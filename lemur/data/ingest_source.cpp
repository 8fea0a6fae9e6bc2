#include "lemur/data/ingest_source.h"

#include <algorithm>

#include "lemur/base/config.h"
#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr std::string_view kSqlPrefix = "sql:";

/// Returns the folder of a path or glob, the part before the first wildcard.
std::filesystem::path folder_of(const std::filesystem::path& path) {
  std::filesystem::path folder;
  for (const auto& part : path.parent_path()) {
    if (part.string().find_first_of("*?[") != std::string::npos) break;
    folder /= part;
  }
  return folder;
}

/// Runs `read`; an error that does not name its file gets the source's name.
template <typename Read>
void read_source(const std::string& name, const Read& read) {
  try {
    read();
  } catch (const DataError& error) {
    const std::string_view message = error.what();
    if (!message.starts_with("[duckdb]")) throw;
    fail<DataError>("ingest", "{} cannot be read: {}", name, message);
  }
}

}  // namespace

IngestSource::IngestSource(Database& database, const std::string& text,
                           const std::filesystem::path& base, const CsvOptions& csv)
    : database_(database), base_(base), folder_(base), name_(text) {
  read_source(name_, [&] {
    if (text.starts_with(kSqlPrefix))
      open_sql(text.substr(kSqlPrefix.size()));
    else
      open_files(text, base, csv);
  });
}

void IngestSource::open_files(const std::string& text, const std::filesystem::path& base,
                              const CsvOptions& csv) {
  const std::string path = (base / text).string();
  folder_ /= folder_of(text);
  const auto format = text_format(text, csv);
  if (!format && !text.ends_with(".parquet"))
    fail<InvalidArgument>(
        "ingest",
        "{}: expected .parquet, .csv, .tsv, .json or .jsonl (.gz, .zst), or \"sql: SELECT ...\"",
        text);
  database_.query("SELECT file FROM glob(" + sql_literal(path) + ")",
                  [&](std::span<const ColumnView> view, size_t rows) {
                    for (size_t row = 0; row < rows; ++row) files_.emplace_back(view[0].text(row));
                  });
  if (files_.empty()) fail<InvalidArgument>("ingest", "{}: no such file", path);
  std::ranges::sort(files_);
  std::vector<std::string> names;
  for (const std::string& file : files_) {
    names.push_back(shown_name(file));
    std::error_code error;
    // Of lines of JSON an empty file is a table without rows: it has no header to lack.
    const bool may_be_empty = format && format->kind == TextKind::kJsonLines && files_.size() > 1;
    if (std::filesystem::file_size(file, error) == 0 && !error && !may_be_empty)
      fail<DataError>("ingest", "{} is empty", names.back());
  }
  if (format)
    open_text(*format, csv.decimal_comma);
  else
    source_ = parquet_table(database_, files_, names);
}

void IngestSource::open_text(const TextFormat& format, bool decimal_comma) {
  text_table_ = std::make_shared<TextTable>(
      std::vector<std::filesystem::path>(files_.begin(), files_.end()), format);
  source_.from = add_text_table(database_, text_table_);
  for (const TextColumn& column : text_table_->columns())
    source_.columns.push_back({.name = column.name,
                               .sql_type = column.is_list ? "VARCHAR[]" : "VARCHAR",
                               .is_number_text = column.is_number,
                               .decimal_comma = decimal_comma && format.kind == TextKind::kCsv,
                               .fault = column.first_fault});
}

void IngestSource::open_sql(const std::string& text) {
  std::string sql = text;
  sql.resize(sql.find_last_not_of("; \t\r\n") + 1);
  sql = "(" + sql + "\n)";
  for (const ColumnExpression& expression : plain_columns(database_, sql)) {
    if (is_reserved_name(expression.column.name))
      fail<DataError>("ingest", "{}: a column cannot have the name '{}'", text,
                      expression.column.name);
    source_.columns.push_back(expression.column);
    if (expression.column.fault.empty())
      source_.from += expression.sql + " AS " + sql_name(expression.column.name) + ", ";
  }
  source_.from = "(SELECT " + source_.from +
                 "CAST(NULL AS VARCHAR) AS __file, CAST(NULL AS BIGINT) AS __place FROM " + sql +
                 ")";
}

std::string IngestSource::shown_name(const std::string& file) const {
  const std::filesystem::path path(file);
  const std::filesystem::path relative = path.lexically_relative(base_);
  return relative.empty() || *relative.begin() == ".." ? file : relative.string();
}

bool IngestSource::has(const std::string& column) const {
  return std::ranges::find(source_.columns, column, &SourceColumn::name) != source_.columns.end();
}

bool IngestSource::is_readable(const std::string& column) const {
  const auto found = std::ranges::find(source_.columns, column, &SourceColumn::name);
  return found != source_.columns.end() && found->fault.empty();
}

const SourceColumn& IngestSource::column(const std::string& name) const {
  const auto found = std::ranges::find(source_.columns, name, &SourceColumn::name);
  if (found != source_.columns.end()) {
    if (!found->fault.empty()) fail<DataError>("ingest", "{}", found->fault);
    return *found;
  }
  // A header that is none is told from its lines sooner than from its names.
  if (text_table_) database_.query_int64("SELECT count(*) FROM " + source_.from);
  std::vector<std::string> names;
  for (const auto& c : source_.columns) names.push_back(c.name);
  fail<InvalidArgument>("ingest", "{} has no column '{}'; nearest: '{}'; its columns: {}", name_,
                        name, nearest(name, names), fmt::join(names, ", "));
}

void IngestSource::materialize(const std::string& table, const std::string& columns) {
  table_ = table;
  read_source(name_, [&] {
    database_.execute("CREATE TABLE " + table +
                      " AS SELECT row_number() OVER () - 1 AS __row, __file, __place" + columns +
                      " FROM " + source_.from);
  });
  const int64_t rows = database_.query_int64("SELECT count(*) FROM " + table);
  if (rows == 0) fail<DataError>("ingest", "{} has no rows", name_);
  if (files_.empty() || text_table_) return;
  const int64_t declared = parquet_rows(database_, files_);
  if (rows != declared)
    fail<DataError>("ingest", "{} cannot be read: {} rows were found, its files say they have {}",
                    name_, rows, declared);
}

void IngestSource::run_checks(const std::vector<Check>& checks) const {
  std::string columns;
  for (const Check& check : checks)
    columns +=
        fmt::format("{}min(__row) FILTER (WHERE {})", columns.empty() ? "" : ", ", check.fault);
  std::vector<int64_t> rows;
  if (checks.empty()) return;
  database_.query("SELECT " + columns + " FROM " + table_,
                  [&](std::span<const ColumnView> view, size_t) {
                    for (const ColumnView& row : view)
                      rows.push_back(row.is_null(0) ? -1 : row.int64(0));
                  });
  for (size_t i = 0; i < checks.size(); ++i)
    if (rows[i] >= 0) fail_at(checks[i].column, rows[i], "expected " + checks[i].expected);
}

IngestSource::Place IngestSource::place(int64_t row) const {
  Place place{name_, row};
  if (files_.empty()) return place;
  std::string file;
  database_.query(fmt::format("SELECT __file, __place FROM {} WHERE __row = {}", table_, row),
                  [&](std::span<const ColumnView> view, size_t rows) {
                    if (rows == 0) return;
                    file = view[0].text(0);
                    (text_table_ ? place.line : place.row) = view[1].int64(0);
                  });
  place.file = shown_name(file);
  if (text_table_ && files_.size() > 1)
    place.row -= database_.query_int64("SELECT min(__row) FROM " + table_ +
                                       " WHERE __file = " + sql_literal(file));
  return place;
}

std::string IngestSource::value_at(const std::string& column, int64_t row) const {
  std::string value = "?";
  const std::string name = sql_name(column);
  database_.query(
      fmt::format("SELECT coalesce({}, CAST({} AS VARCHAR), 'NULL') FROM (SELECT row_number() OVER "
                  "() - 1 AS __row, {} FROM {}) WHERE __row = {}",
                  text_sql(column), name, name, source_.from, row),
      [&](std::span<const ColumnView> view, size_t rows) {
        if (rows > 0) value = view[0].text(0).empty() ? "''" : std::string(view[0].text(0));
      });
  return value;
}

void IngestSource::fail_at(const std::string& column, int64_t row,
                           const std::string& complaint) const {
  const Place found = place(row);
  const std::string line = found.line < 0 ? "" : fmt::format(" (line {})", found.line);
  fail<DataError>("ingest", "{}: column '{}' holds {} at row {}{}; {}", found.file, column,
                  value_at(column, row), found.row, line, complaint);
}

std::vector<std::string> IngestSource::places(const std::vector<int64_t>& rows) const {
  std::vector<std::string> texts;
  for (int64_t row : rows) {
    const Place found = place(row);
    texts.push_back(found.line < 0
                        ? fmt::format("{}: row {}", found.file, found.row)
                        : fmt::format("{}: row {} (line {})", found.file, found.row, found.line));
  }
  return texts;
}

IngestSource::Counts IngestSource::counts() const {
  constexpr size_t kMostNamed = 3;
  Counts counts{.files = static_cast<int64_t>(files_.size()),
                .rows = database_.query_int64("SELECT count(*) FROM " + table_)};
  if (!text_table_) return counts;
  for (const TextFileSummary& file : text_table_->summary()) {
    counts.blank_lines += file.blank_lines;
    if (file.blank_lines > 0 && counts.files_with_blank_lines.size() < kMostNamed)
      counts.files_with_blank_lines.push_back(shown_name(file.file));
  }
  return counts;
}

std::string IngestSource::text_sql(const std::string& name, const std::string& alias) const {
  return text_sql_of(column(name), alias + sql_name(name));
}

bool IngestSource::is_list(const std::string& name) const {
  return value_kind(column(name).sql_type) == ValueKind::kList;
}

std::string IngestSource::category_sql(const std::string& name, const std::string& alias) const {
  return name_sql_of(column(name), alias + sql_name(name));
}

std::string IngestSource::id_sql(const std::string& name) const {
  if (is_list(name))
    fail<InvalidArgument>("ingest", "{}: column '{}' holds lists; expected an ID in each row",
                          name_, name);
  return category_sql(name);
}

std::string IngestSource::number_sql(const std::string& name, const std::string& alias) const {
  return number_sql_of(column(name), alias + sql_name(name));
}

std::string IngestSource::label_sql(const std::string& name) const {
  const ValueKind kind = value_kind(column(name).sql_type);
  if (kind < ValueKind::kTime)
    return "CAST(CASE " + number_sql(name) + " WHEN 0 THEN 0 WHEN 1 THEN 1 END AS UTINYINT)";
  const std::string text = "lower(trim(" + text_sql(name) + "))";
  return "CAST(CASE " + (column(name).decimal_comma ? "replace(" + text + ", ',', '.')" : text) +
         " WHEN '0' THEN 0 WHEN '1' THEN 1 WHEN '0.0' THEN 0 WHEN '1.0' THEN 1 WHEN 'false' THEN "
         "0 WHEN 'true' THEN 1 END AS UTINYINT)";
}

CsvOptions csv_options(const DataOptions& data, std::string_view table) {
  const CsvOptions* found = nullptr;
  for (const CsvOptions& options : data.csv)
    if (options.of == table || (options.of.empty() && found == nullptr)) found = &options;
  return found == nullptr ? CsvOptions{} : *found;
}

}  // namespace lemur
