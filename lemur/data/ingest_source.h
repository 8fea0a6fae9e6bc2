// A table of the configuration (file, glob or SQL) as something that DuckDB can select from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/data/column_value.h"
#include "lemur/data/database.h"
#include "lemur/data/parquet_table.h"
#include "lemur/data/text_table.h"

namespace lemur {

/// One input table: how it is named in messages, how it is selected from, which columns it has.
/// Members of objects are columns of their own, "user.id". The database must outlive it.
class IngestSource {
 public:
  /// Opens `text` (a path or glob relative to `base`, or "sql: SELECT ..."); `csv` says how CSV
  /// files are written. Files of a glob are one table, in the order of their names. Throws
  /// InvalidArgument for an ending that is not known or no matching file, DataError for a file that
  /// cannot be read.
  IngestSource(Database& database, const std::string& text, const std::filesystem::path& base,
               const CsvOptions& csv);

  const std::string& name() const { return name_; }
  /// Folder that relative paths in its columns refer to: that of the file, of a glob that of its
  /// part before the wildcards, of SQL the configuration's.
  const std::filesystem::path& folder() const { return folder_; }
  bool has(const std::string& column) const;
  /// Says that the source has the column and its values can be read, as those of objects cannot.
  bool is_readable(const std::string& column) const;

  /// Returns the column. Throws InvalidArgument naming the columns that exist and the nearest when
  /// it is missing, DataError saying why when it cannot be read.
  const SourceColumn& column(const std::string& name) const;

  /// Creates `table` of __row (BIGINT, from 0 in the order of the input), __file and __place (where
  /// the row stands) and `columns` (SQL, each with a comma before it). Throws DataError naming the
  /// source when that fails or there are no rows.
  void materialize(const std::string& table, const std::string& columns);

  /// What must not hold of any row.
  struct Check {
    std::string fault;  ///< SQL condition
    std::string column, expected;
  };
  /// Throws DataError about the first row that fails the first failing check. Requires:
  /// materialize().
  void run_checks(const std::vector<Check>& checks) const;

  /// Throws DataError about the value that `column` holds at `row`: "<file>: column 'c' holds v at
  /// row r (line l); <complaint>". Of a glob, file and row are those of the very file; lines are of
  /// text files. Requires: materialize().
  [[noreturn]] void fail_at(const std::string& column, int64_t row,
                            const std::string& complaint) const;

  /// Returns where rows stand, as "<file>: row r (line l)". Requires: materialize().
  std::vector<std::string> places(const std::vector<int64_t>& rows) const;

  /// Number of files, of rows and of blank lines that were left out; and in which files they are,
  /// the first three. Requires: materialize().
  struct Counts {
    int64_t files = 0, rows = 0, blank_lines = 0;
    std::vector<std::string> files_with_blank_lines = {};
  };
  Counts counts() const;

  // SQL expressions over a column of the source, `name` as it is in the source.

  /// The value as text, of a list as its items joined by a space.
  std::string text_sql(const std::string& name, const std::string& alias = "") const;
  /// The value as the name of something: as a list of texts where is_list(), else as text; NULL
  /// where it names nothing, as fractions and NaN do.
  std::string category_sql(const std::string& name, const std::string& alias = "") const;
  /// The value as an ID, NULL where it is none. Throws InvalidArgument for a column of lists.
  std::string id_sql(const std::string& name) const;
  bool is_list(const std::string& name) const;
  /// The value as DOUBLE; NULL where it is none. Throws InvalidArgument for a column of another
  /// type.
  std::string number_sql(const std::string& name, const std::string& alias = "") const;
  /// 0 or 1 of a label in any spelling; NULL for anything else.
  std::string label_sql(const std::string& name) const;

 private:
  struct Place {
    std::string file;
    int64_t row = 0, line = -1;
  };
  void open_files(const std::string& text, const std::filesystem::path& base,
                  const CsvOptions& csv);
  void open_text(const TextFormat& format, bool decimal_comma);
  void open_sql(const std::string& text);
  std::string shown_name(const std::string& file) const;
  Place place(int64_t row) const;
  std::string value_at(const std::string& column, int64_t row) const;

  Database& database_;
  std::filesystem::path base_, folder_;
  std::string name_, table_;
  std::vector<std::string> files_;               // none of SQL
  std::shared_ptr<const TextTable> text_table_;  // of text files
  SourceTable source_;
};

/// Returns how the CSV files of a table (documents, events, actions, queries) are written.
CsvOptions csv_options(const DataOptions& data, std::string_view table);

}  // namespace lemur
