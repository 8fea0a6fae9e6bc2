#include "lemur/data/parquet_table.h"

#include <algorithm>
#include <map>
#include <optional>
#include <span>

#include "lemur/base/error.h"

namespace lemur {
namespace {

/// A list of file names as SQL that DuckDB takes literally, not as patterns.
std::string list_sql(std::span<const std::string> files) {
  std::string list;
  for (const std::string& file : files) {
    std::string literal;
    for (char c : file)
      literal += c == '*' || c == '?' || c == '[' ? std::string{'[', c, ']'} : std::string(1, c);
    list += (list.empty() ? "" : ", ") + sql_literal(literal);
  }
  return "[" + list + "]";
}

/// Folders named key=value are columns of texts.
std::string reader_sql(std::span<const std::string> files) {
  return "read_parquet(" + list_sql(files) +
         ", filename = '__file', file_row_number = true, hive_types_autocast = false)";
}

void add_plain_columns(Database& database, const std::string& from, const std::string& select,
                       const std::string& path, const std::string& object,
                       std::vector<ColumnExpression>& out) {
  for (const ColumnInfo& info : database.describe(fmt::format("SELECT {} FROM {}", select, from))) {
    const std::string sql =
        object.empty() ? sql_name(info.name)
                       : fmt::format("struct_extract({}, {})", object, sql_literal(info.name));
    const size_t place = out.size();
    out.push_back({{.name = path + info.name, .sql_type = info.sql_type}, sql});
    if (!info.sql_type.starts_with("STRUCT(") || info.sql_type.ends_with(']')) continue;
    add_plain_columns(database, from, "unnest(" + sql + ")", path + info.name + ".", sql, out);
    std::string members;
    for (size_t i = place + 1; i < out.size(); ++i)
      if (out[i].column.fault.empty())
        members += (members.empty() ? "" : ", ") + out[i].column.name;
    out[place].column.fault =
        fmt::format("column '{}' holds objects; its members: {}", path + info.name, members);
  }
}

/// The files' columns as they become one table's.
class ParquetUnion {
 public:
  ParquetUnion(Database& database, const std::vector<std::string>& files,
               const std::vector<std::string>& names)
      : database_(database), files_(files), names_(names) {
    for (size_t f = 0; f < files_.size(); ++f) describe_file(f);
    for (Column& column : columns_) settle(column);
  }

  SourceTable table() const {
    SourceTable table;
    for (size_t begin = 0, end = 0; begin < files_.size(); begin = end) {
      for (end = begin + 1; end < files_.size() && is_alike(begin, end);) ++end;
      table.from += (begin == 0 ? "(" : " UNION ALL ") + select_sql(begin, end);
    }
    table.from += ")";
    for (const Column& column : columns_) table.columns.push_back(column.result);
    return table;
  }

 private:
  struct Part {
    std::string sql, sql_type;  // empty: the file lacks the column
  };
  struct Column {
    SourceColumn result;
    std::vector<Part> parts;  // per file
    size_t first = 0;         // file in which it was seen first
  };

  void describe_file(size_t f) {
    std::vector<ColumnExpression> found;
    try {
      const std::string from =
          "read_parquet(" + list_sql({&files_[f], 1}) + ", hive_types_autocast = false)";
      found = plain_columns(database_, from);
    } catch (const DataError& error) {
      fail<DataError>("ingest", "{} cannot be read: {}", names_[f], error.what());
    }
    for (const ColumnExpression& expression : found) {
      // The last is DuckDB's own column of such a file.
      if (is_reserved_name(expression.column.name) || expression.column.name == "file_row_number")
        fail<DataError>("ingest", "{}: a column cannot have the name '{}'", names_[f],
                        expression.column.name);
      const auto [place, is_new] = places_.try_emplace(expression.column.name, columns_.size());
      if (is_new) columns_.push_back({expression.column, std::vector<Part>(files_.size()), f});
      Column& column = columns_[place->second];
      if (!column.parts[f].sql.empty())
        column.result.fault =
            fmt::format("{}: there are two columns '{}'", names_[f], column.result.name);
      column.parts[f] = {expression.sql, expression.column.sql_type};
      if (!expression.column.fault.empty())
        column.result.fault = names_[f] + ": " + expression.column.fault;
    }
  }

  /// Says whether a column of the file holds any value.
  bool has_values(const Column& column, size_t f) const {
    const Part& part = column.parts[f];
    const bool is_real = value_kind(part.sql_type) == ValueKind::kReal;
    return database_.query_int64(
               fmt::format("SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} IS NOT NULL{} LIMIT 1)",
                           reader_sql({&files_[f], 1}), part.sql,
                           is_real ? " AND NOT isnan(" + part.sql + ")" : "")) > 0;
  }

  /// Finds the column's type.
  void settle(Column& column) const {
    size_t holder = column.first;  // a file that gave the type its kind
    for (size_t f = column.first + 1; f < files_.size() && column.result.fault.empty(); ++f) {
      if (column.parts[f].sql.empty()) continue;
      if (const auto type = widened_type(column.result.sql_type, column.parts[f].sql_type)) {
        column.result.sql_type = *type;
      } else if (!has_values(column, f)) {
        column.parts[f] = {};
      } else if (!has_earlier_values(column, f)) {
        for (size_t e = 0; e < f; ++e) column.parts[e] = {};
        column.result.sql_type = column.parts[f].sql_type;
        holder = f;
      } else {
        column.result.fault = fmt::format(
            "column '{}' is {} in {} and {} in {}; expected one type, or two of which one takes "
            "all values of the other",
            column.result.name, column.parts[holder].sql_type, names_[holder],
            column.parts[f].sql_type, names_[f]);
      }
    }
  }

  bool has_earlier_values(const Column& column, size_t end) const {
    for (size_t f = 0; f < end; ++f)
      if (!column.parts[f].sql.empty() && has_values(column, f)) return true;
    return false;
  }

  bool is_alike(size_t a, size_t b) const {
    return std::ranges::all_of(columns_, [&](const Column& column) {
      return column.parts[a].sql == column.parts[b].sql &&
             column.parts[a].sql_type == column.parts[b].sql_type;
    });
  }

  /// Name of a file in which the column has another type than in file f.
  std::string another_file(const Column& column, size_t f) const {
    for (size_t other = 0; other < files_.size(); ++other)
      if (!column.parts[other].sql.empty() &&
          column.parts[other].sql_type != column.parts[f].sql_type)
        return names_[other];
    return "";
  }

  /// SELECT of files that have the same columns.
  std::string select_sql(size_t begin, size_t end) const {
    std::string list;
    for (const Column& column : columns_) {
      const Part& part = column.parts[begin];
      const std::string& type = column.result.sql_type;
      if (!column.result.fault.empty()) continue;
      std::string value = "CAST(NULL AS " + type + ")";
      if (!part.sql.empty()) {
        const std::string complaint =
            "'[input] ' || __file || ': row ' || file_row_number || " +
            sql_literal(fmt::format(": column '{}' is {} there and {} in {}, which cannot take ",
                                    column.result.name, part.sql_type, type,
                                    another_file(column, begin)));
        value = widen_sql(part.sql_type, type, part.sql, complaint);
      }
      list += value + " AS " + sql_name(column.result.name) + ", ";
    }
    return "SELECT " + list + "__file, file_row_number AS __place FROM " +
           reader_sql(std::span(files_).subspan(begin, end - begin));
  }

  Database& database_;
  const std::vector<std::string>&files_, &names_;
  std::vector<Column> columns_;
  std::map<std::string, size_t> places_;
};

}  // namespace

std::vector<ColumnExpression> plain_columns(Database& database, const std::string& from) {
  std::vector<ColumnExpression> columns;
  add_plain_columns(database, from, "*", "", "", columns);
  return columns;
}

SourceTable parquet_table(Database& database, const std::vector<std::string>& files,
                          const std::vector<std::string>& names) {
  return ParquetUnion(database, files, names).table();
}

int64_t parquet_rows(Database& database, const std::vector<std::string>& files) {
  return database.query_int64("SELECT sum(num_rows) FROM parquet_file_metadata(" + list_sql(files) +
                              ")");
}

}  // namespace lemur
