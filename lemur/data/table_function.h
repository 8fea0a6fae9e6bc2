// Lets DuckDB select from rows that we read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/data/database.h"

namespace lemur {

/// A chunk of rows in DuckDB's own memory, to be filled: every column of every row is set once, row
/// after row.
class ChunkWriter {
 public:
  void set_text(size_t column, size_t row, std::string_view value);
  void set_int64(size_t column, size_t row, int64_t value);
  void set_list(size_t column, size_t row, std::span<const std::optional<std::string_view>> items);
  void set_null(size_t column, size_t row);

 private:
  friend class ChunkFiller;
  struct Column {
    void* vector = nullptr;  // duckdb_vector
    void* data = nullptr;
    uint64_t* validity = nullptr;
    size_t num_items = 0;  // of a list, in the chunk
  };
  std::vector<Column> columns_;
};

/// One pass over a table, from its first row. Used by one thread.
class TableScan {
 public:
  virtual ~TableScan() = default;

  /// Writes up to `max_rows` rows and returns their number; 0 at the end. The columns of `out` are
  /// those that scan() was given. What it throws becomes the statement's error.
  virtual size_t read(ChunkWriter& out, size_t max_rows) = 0;
};

class TableSource {
 public:
  struct Column {
    std::string name;
    ColumnType type;  ///< kText, kInt64 or kTextList
  };
  virtual ~TableSource() = default;
  virtual std::vector<Column> columns() const = 0;

  /// Begins a pass that gives these columns, by index in columns(). Thread-safe.
  virtual std::unique_ptr<TableScan> scan(std::vector<size_t> columns) const = 0;
};

/// Registers the table and returns its FROM item. Rows keep their order. An Error whose message
/// begins with "[input] " leaves execute() and query() as the DataError that it is. The database
/// keeps the table.
std::string add_table(Database& database, std::shared_ptr<const TableSource> table);

}  // namespace lemur
