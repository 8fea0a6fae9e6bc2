#include <duckdb.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>

#include "lemur/base/error.h"
#include "lemur/data/database.h"

namespace lemur {

struct ParquetWriter::Impl {
  std::filesystem::path path, rows_file;
  std::vector<Column> columns;
  std::unique_ptr<Database> database;
  duckdb_appender appender = nullptr;
  size_t next = 0;

  void check(duckdb_state state) {
    if (state == DuckDBSuccess) return;
    const char* message = duckdb_appender_error(appender);
    fail<DataError>("parquet", "{} cannot be written: {}", path.string(),
                    message == nullptr ? "unknown error" : message);
  }

  /// Takes the next column of the row; throws InternalError unless it is of one of these types.
  ColumnType take(std::initializer_list<ColumnType> types) {
    ensure(next < columns.size(), "parquet", "a row has no more values than columns");
    ColumnType type = columns[next++].type;
    ensure(std::find(types.begin(), types.end(), type) != types.end(), "parquet",
           "a value is of its column's type");
    return type;
  }
};

namespace {

const char* sql_type(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return "BOOLEAN";
    case ColumnType::kInt64:
      return "BIGINT";
    case ColumnType::kDouble:
      return "DOUBLE";
    case ColumnType::kText:
      return "VARCHAR";
    case ColumnType::kTimestamp:
      return "TIMESTAMP";
    case ColumnType::kFloatList:
      return "FLOAT[]";
    default:
      fail<InvalidArgument>("parquet", "a Parquet column of this type cannot be written");
  }
}

}  // namespace

ParquetWriter::ParquetWriter(const std::string& path, const std::vector<Column>& columns)
    : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  impl_->rows_file = path + ".rows.tmp";
  impl_->columns = columns;
  std::filesystem::remove(impl_->rows_file);
  impl_->database =
      std::make_unique<Database>(DatabaseOptions{.memory_limit_mb = 512,
                                                 .temporary_folder = path + ".spill.tmp",
                                                 .file = impl_->rows_file.string()});
  std::string definition;
  for (const Column& column : columns)
    definition +=
        (definition.empty() ? "" : ", ") + sql_name(column.name) + " " + sql_type(column.type);
  impl_->database->execute("CREATE TABLE rows (" + definition + ")");
  impl_->check(duckdb_appender_create(static_cast<duckdb_connection>(impl_->database->connection()),
                                      nullptr, "rows", &impl_->appender));
}

ParquetWriter::~ParquetWriter() {
  if (impl_->appender != nullptr) duckdb_appender_destroy(&impl_->appender);
  impl_->database.reset();
  std::error_code ignored;
  std::filesystem::remove(impl_->rows_file, ignored);
  std::filesystem::remove(impl_->rows_file.string() + ".wal", ignored);
  std::filesystem::remove_all(impl_->path.string() + ".spill.tmp", ignored);
}

void ParquetWriter::append(int64_t value) {
  ColumnType type = impl_->take({ColumnType::kInt64, ColumnType::kTimestamp, ColumnType::kBool});
  if (type == ColumnType::kTimestamp)
    return impl_->check(duckdb_append_timestamp(impl_->appender, {value}));
  if (type == ColumnType::kBool)
    return impl_->check(duckdb_append_bool(impl_->appender, value != 0));
  impl_->check(duckdb_append_int64(impl_->appender, value));
}

void ParquetWriter::append(double value) {
  impl_->take({ColumnType::kDouble});
  impl_->check(duckdb_append_double(impl_->appender, value));
}

void ParquetWriter::append(std::string_view value) {
  impl_->take({ColumnType::kText});
  impl_->check(duckdb_append_varchar_length(impl_->appender, value.data(), value.size()));
}

void ParquetWriter::append(std::span<const float> value) {
  impl_->take({ColumnType::kFloatList});
  std::vector<duckdb_value> items;
  items.reserve(value.size() + 1);  // of an empty list too, DuckDB wants an address
  for (float item : value) items.push_back(duckdb_create_float(item));
  duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_FLOAT);
  duckdb_value list = duckdb_create_list_value(type, items.data(), items.size());
  duckdb_state state = duckdb_append_value(impl_->appender, list);
  duckdb_destroy_value(&list);
  duckdb_destroy_logical_type(&type);
  for (duckdb_value& item : items) duckdb_destroy_value(&item);
  impl_->check(state);
}

void ParquetWriter::append_null() {
  ++impl_->next;
  impl_->check(duckdb_append_null(impl_->appender));
}

void ParquetWriter::end_row() {
  ensure(impl_->next == impl_->columns.size(), "parquet", "a row has a value for each column");
  impl_->next = 0;
  impl_->check(duckdb_appender_end_row(impl_->appender));
}

void ParquetWriter::finish() {
  impl_->check(duckdb_appender_close(impl_->appender));
  duckdb_appender_destroy(&impl_->appender);
  std::string temporary = impl_->path.string() + ".tmp";
  impl_->database->execute("COPY rows TO " + sql_literal(temporary) +
                           " (FORMAT parquet, COMPRESSION zstd)");
  std::filesystem::rename(temporary, impl_->path);
}

}  // namespace lemur
