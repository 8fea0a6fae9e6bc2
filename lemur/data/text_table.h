// CSV and JSON files as one table that DuckDB reads as it reads its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/input/csv_format.h"

namespace lemur {

class Database;

enum class TextKind { kCsv, kJson, kJsonLines };

/// How the files of a table are written; compression is each file's own, by its ending.
struct TextFormat {
  TextKind kind = TextKind::kCsv;
  CsvFormat csv;
};

/// Returns the format that a file's ending names: .csv, .tsv, .json, .jsonl, .ndjson, each also
/// with .gz or .zst behind it; nothing for another ending. Throws InvalidArgument for options that
/// cannot be.
std::optional<TextFormat> text_format(const std::filesystem::path& file, const CsvOptions& options);

struct TextColumn {
  std::string name;
  bool is_list = false;    ///< some value is an array of scalars: VARCHAR[] in SQL, else VARCHAR
  bool is_number = false;  ///< of JSON: every value is a number or null, one is no plain integer
  bool is_object = false;  ///< of JSON: some value is an object or an array of objects or arrays
  /// Why the column cannot be selected (SQL does not know it then), on one line that names file and
  /// line; empty: it can. Of an object: "a.jsonl: line 3 holds an object in 'user'; its members:
  /// user.id, user.name".
  std::string first_fault;
};

/// What a file held; all but `header` is known when a scan has reached the file's end.
struct TextFileSummary {
  std::filesystem::path file;
  std::vector<std::string> header;  ///< of CSV: the names as written
  int64_t rows = 0, blank_lines = 0;
};

/// Several files of one format as one table: columns by name, in the order of their first
/// appearance, NULL in files (of JSON: lines) that lack one. Columns without a name are left out.
/// Of CSV the constructor reads the headers, of JSON all lines: columns are never guessed from a
/// sample. Throws DataError for what cannot be read, with file and line.
class TextTable {
 public:
  TextTable(std::vector<std::filesystem::path> files, const TextFormat& format);
  ~TextTable();

  const std::vector<TextColumn>& columns() const { return columns_; }
  std::vector<TextFileSummary> summary() const;

 private:
  friend class TextTableSource;
  struct Impl;
  std::vector<TextColumn> columns_;
  std::unique_ptr<Impl> impl_;
};

/// Lets `database` read the table and returns its FROM item. Columns: those of the table that can
/// be selected, and last "__file" VARCHAR and "__place" BIGINT: where the row begins, from line 1.
/// Rows come in the order of the files. The database keeps the table.
std::string add_text_table(Database& database, std::shared_ptr<const TextTable> table);

}  // namespace lemur
