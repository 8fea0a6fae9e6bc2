// DuckDB behind a few C++ classes: the only place that knows its C API (database.cpp includes
// duckdb.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

class TableSource;  // table_function.h

enum class ColumnType {
  kBool,
  kInt64,
  kDouble,
  kText,
  kTimestamp,
  kBlob,
  kTextList,
  kFloatList,  ///< written by ParquetWriter only
  kOther
};

/// One column of a chunk of a result: typed views into DuckDB's own memory, valid until the next
/// chunk. Reading as another type throws InternalError; a NULL's value is arbitrary. Statements
/// cast what they select to one of the types but kOther.
class ColumnView {
 public:
  bool is_null(size_t row) const;
  int64_t int64(size_t row) const;  ///< kBool, kInt64; kTimestamp as microseconds since 1970
  double number(size_t row) const;  ///< kDouble, kInt64, kBool
  std::string_view text(size_t row) const;  ///< kText, kBlob
  /// Appends the items of a list of texts, NULL items as empty. Requires: kTextList.
  void text_list(size_t row, std::vector<std::string_view>& out) const;

 private:
  friend class Database;
  ColumnType type_ = ColumnType::kOther;
  void* vector_ = nullptr;  // duckdb_vector
  const void* data_ = nullptr;
  const uint64_t* validity_ = nullptr;  // null: all valid
};

struct ColumnInfo {
  std::string name;
  ColumnType type;
  std::string sql_type;  ///< as DuckDB names it, for messages
};

struct DatabaseOptions {
  int64_t threads = 0;           ///< 0: all cores
  int64_t memory_limit_mb = 0;   ///< 0: DuckDB's default; spills to `temporary_folder` beyond it
  std::string temporary_folder;  ///< where DuckDB spills; empty: the system's temporary folder
  std::string file;              ///< database file; empty: in memory
};

/// One DuckDB database with one connection. Not thread-safe. Extensions are never downloaded, times
/// without a zone are UTC. Every failure is a DataError with DuckDB's message on one line. While
/// query() streams, nothing else may run on the database.
class Database {
 public:
  explicit Database(const DatabaseOptions& options = {});
  ~Database();
  Database(Database&&) noexcept;

  /// Runs a statement that returns nothing of interest.
  void execute(const std::string& sql);

  /// Returns the columns that `sql` (a SELECT) would return.
  std::vector<ColumnInfo> describe(const std::string& sql);

  /// Streams the result of `sql` chunk by chunk (about 2,048 rows): `consume(columns, num_rows)`.
  /// Memory stays bounded.
  void query(
      const std::string& sql,
      const std::function<void(std::span<const ColumnView> columns, size_t num_rows)>& consume);

  /// Returns the single integer that `sql` gives.
  int64_t query_int64(const std::string& sql);

 private:
  friend class ParquetWriter;
  friend std::string add_table(Database& database, std::shared_ptr<const TableSource> table);
  void* connection() const;  // duckdb_connection

  struct Handle;
  std::unique_ptr<Handle> handle_;
};

/// Returns `text` as an SQL string literal / identifier, quoted.
std::string sql_literal(std::string_view text);
std::string sql_name(std::string_view name);

/// Writes one Parquet file row by row with bounded memory (rows wait in a DuckDB file beside it).
/// Not thread-safe. Throws DataError when writing fails, InternalError for a value that is not of
/// its column's type and for a row of too few or too many.
class ParquetWriter {
 public:
  struct Column {
    std::string name;
    ColumnType type;  ///< kBool, kInt64, kDouble, kText, kTimestamp (microseconds) or kFloatList
  };
  ParquetWriter(const std::string& path, const std::vector<Column>& columns);
  ~ParquetWriter();

  // Append one row's values in the order of the columns, then end the row.
  void append(int64_t value);
  void append(double value);
  void append(std::string_view value);
  void append(std::span<const float> value);
  void append_null();
  void end_row();

  /// Writes the file (to a temporary name, then renamed). Nothing is written when this is never
  /// called.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
