// A table of the configuration (file, glob or SQL) as something that DuckDB can select from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/data/database.h"

namespace lemur {

/// One input table: how it is named in messages, how it is selected from, which columns it has.
/// The database must outlive it.
class IngestSource {
 public:
  /// Opens `text` (a path or glob relative to `base`, or "sql: SELECT ..."). Throws InvalidArgument
  /// for an ending that is not known or no matching file, DataError for a file that cannot be read.
  IngestSource(Database& database, const std::string& text, const std::filesystem::path& base);

  const std::string& name() const { return name_; }
  /// Folder that relative paths in its columns refer to: that of the file, of a glob that of its
  /// part before the wildcards, of SQL the configuration's.
  const std::filesystem::path& folder() const { return folder_; }
  bool has(const std::string& column) const;

  /// Returns the column. Throws InvalidArgument naming the columns that exist and the nearest when
  /// it is missing.
  const ColumnInfo& column(const std::string& name) const;

  /// Returns the columns whose name occurs in `sql` in any case: those that it may refer to.
  std::vector<std::string> mentioned(std::string_view sql) const;

  /// Creates `table` of __row (BIGINT, from 0 in the order of the input) and `columns` (SQL, each
  /// with a comma before it). Throws DataError naming the source when that fails.
  void materialize(const std::string& table, const std::string& columns) const;

  /// Throws DataError about the value that `column` holds at `row`: "<file>: column 'c' holds v at
  /// row r; <complaint>". Of a glob, file and row are those of the very file.
  [[noreturn]] void fail_at(const std::string& column, int64_t row,
                            const std::string& complaint) const;

  // SQL expressions over a column of the source, `name` as it is in the source.

  /// The value as text.
  std::string text_sql(const std::string& name, const std::string& alias = "") const;
  /// The value as a list of texts where is_list(), else as text.
  std::string category_sql(const std::string& name, const std::string& alias) const;
  bool is_list(const std::string& name) const;
  /// The value as DOUBLE; NULL where it is none.
  std::string number_sql(const std::string& name, const std::string& alias = "") const;
  /// Milliseconds since 1970 of a timestamp, of integer seconds or of integer milliseconds; NULL
  /// where it is none of these.
  std::string time_sql(const std::string& name) const;
  /// 0 or 1 of a label in any spelling; NULL for anything else.
  std::string label_sql(const std::string& name) const;

 private:
  struct Place {
    std::string file;
    int64_t row;
    std::string value;
  };
  Place place(const std::string& column, int64_t row) const;

  Database& database_;
  std::filesystem::path folder_;
  std::string name_, from_;      // from_: a FROM item
  std::string from_with_names_;  // of a glob: with the column filename
  std::vector<ColumnInfo> columns_;
};

}  // namespace lemur
