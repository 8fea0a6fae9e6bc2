#include "lemur/data/database.h"

#include <duckdb.h>

#include <filesystem>

#include "lemur/base/error.h"

namespace lemur {
namespace {

/// Throws DataError with DuckDB's message on one line: its first line; of a fault in a CSV file up
/// to the advice, for only the second and third say what the line holds and lacks.
[[noreturn]] void fail_with(const char* message) {
  std::string text = message == nullptr ? "unknown error" : message;
  // What our own readers say (table_function.h) is whole already.
  if (size_t own = text.find(" Error: [input] "); own != std::string::npos)
    throw DataError(text.substr(text.find('[', own)));
  bool of_csv = text.find("CSV Error on Line") != std::string::npos;
  std::string shown = text.substr(0, of_csv ? text.find("\n\n") : text.find('\n'));
  if (size_t advice = shown.find("\nPossible"); advice != std::string::npos) shown.resize(advice);
  for (char& c : shown)
    if (c == '\n') c = ' ';
  fail<DataError>("duckdb", "{}", shown);
}

ColumnType type_of(duckdb_logical_type type) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
      return ColumnType::kBool;
    case DUCKDB_TYPE_BIGINT:
      return ColumnType::kInt64;
    case DUCKDB_TYPE_DOUBLE:
      return ColumnType::kDouble;
    case DUCKDB_TYPE_VARCHAR:
      return ColumnType::kText;
    case DUCKDB_TYPE_TIMESTAMP:
      return ColumnType::kTimestamp;
    case DUCKDB_TYPE_BLOB:
      return ColumnType::kBlob;
    case DUCKDB_TYPE_LIST: {
      duckdb_logical_type child = duckdb_list_type_child_type(type);
      bool of_text = duckdb_get_type_id(child) == DUCKDB_TYPE_VARCHAR;
      duckdb_destroy_logical_type(&child);
      return of_text ? ColumnType::kTextList : ColumnType::kOther;
    }
    default:
      return ColumnType::kOther;
  }
}

std::string_view string_at(const void* data, size_t row) {
  auto* text = const_cast<duckdb_string_t*>(static_cast<const duckdb_string_t*>(data) + row);
  return {duckdb_string_t_data(text), duckdb_string_t_length(*text)};
}

bool valid_at(const uint64_t* validity, size_t row) {
  return validity == nullptr || ((validity[row / 64] >> (row % 64)) & 1) != 0;
}

std::string quote(std::string_view text, char mark) {
  std::string quoted(1, mark);
  for (char c : text) {
    if (c == mark) quoted += mark;
    quoted += c;
  }
  return quoted + mark;
}

}  // namespace

std::string sql_literal(std::string_view text) { return quote(text, '\''); }
std::string sql_name(std::string_view name) { return quote(name, '"'); }

bool ColumnView::is_null(size_t row) const { return !valid_at(validity_, row); }

int64_t ColumnView::int64(size_t row) const {
  ensure(
      type_ == ColumnType::kBool || type_ == ColumnType::kInt64 || type_ == ColumnType::kTimestamp,
      "duckdb", "an integer is read from a column of BOOLEAN, BIGINT or TIMESTAMP");
  return type_ == ColumnType::kBool ? static_cast<const bool*>(data_)[row]
                                    : static_cast<const int64_t*>(data_)[row];
}

double ColumnView::number(size_t row) const {
  return type_ == ColumnType::kDouble ? static_cast<const double*>(data_)[row]
                                      : static_cast<double>(int64(row));
}

std::string_view ColumnView::text(size_t row) const {
  ensure(type_ == ColumnType::kText || type_ == ColumnType::kBlob, "duckdb",
         "a text is read from a column of VARCHAR or BLOB");
  return string_at(data_, row);
}

void ColumnView::text_list(size_t row, std::vector<std::string_view>& out) const {
  ensure(type_ == ColumnType::kTextList, "duckdb", "texts are read from a column of VARCHAR[]");
  auto vector = static_cast<duckdb_vector>(vector_);
  duckdb_vector child = duckdb_list_vector_get_child(vector);
  const void* items = duckdb_vector_get_data(child);
  const uint64_t* validity = duckdb_vector_get_validity(child);
  auto entry = static_cast<const duckdb_list_entry*>(data_)[row];
  for (uint64_t i = entry.offset; i < entry.offset + entry.length; ++i)
    out.push_back(valid_at(validity, i) ? string_at(items, i) : std::string_view());
}

struct Database::Handle {
  duckdb_database database = nullptr;
  duckdb_connection connection = nullptr;

  ~Handle() {
    duckdb_disconnect(&connection);
    duckdb_close(&database);
  }
};

Database::Database(const DatabaseOptions& options) : handle_(std::make_unique<Handle>()) {
  duckdb_config config;
  duckdb_create_config(&config);
  auto set = [&](const char* name, const std::string& value) {
    if (duckdb_set_config(config, name, value.c_str()) == DuckDBError) {
      duckdb_destroy_config(&config);
      fail<InternalError>("duckdb", "setting {} = {} was refused", name, value);
    }
  };
  set("autoinstall_known_extensions", "false");
  set("autoload_known_extensions", "false");
  if (options.threads > 0) set("threads", std::to_string(options.threads));
  if (options.memory_limit_mb > 0)
    set("memory_limit", fmt::format("{}MB", options.memory_limit_mb));
  set("temp_directory", options.temporary_folder.empty()
                            ? (std::filesystem::temp_directory_path() / "lemur-duckdb").string()
                            : options.temporary_folder);
  char* error = nullptr;
  auto state = duckdb_open_ext(options.file.empty() ? nullptr : options.file.c_str(),
                               &handle_->database, config, &error);
  duckdb_destroy_config(&config);
  if (state == DuckDBError) {
    std::string message = error == nullptr ? "cannot open the database" : error;
    duckdb_free(error);
    fail_with(message.c_str());
  }
  if (duckdb_connect(handle_->database, &handle_->connection) == DuckDBError)
    fail_with("cannot connect");
  execute("SET TimeZone = 'UTC'");  // of texts and timestamps without one
}

Database::~Database() = default;
Database::Database(Database&&) noexcept = default;

void* Database::connection() const { return handle_->connection; }

void Database::execute(const std::string& sql) {
  duckdb_result result;
  if (duckdb_query(handle_->connection, sql.c_str(), &result) == DuckDBError) {
    std::string message =
        duckdb_result_error(&result) == nullptr ? "" : duckdb_result_error(&result);
    duckdb_destroy_result(&result);
    fail_with(message.c_str());
  }
  duckdb_destroy_result(&result);
}

namespace {

/// Owns a prepared statement, its pending execution and its result.
struct Running {
  duckdb_prepared_statement statement = nullptr;
  duckdb_pending_result pending = nullptr;
  duckdb_result result{};
  bool has_result = false;
  duckdb_data_chunk chunk = nullptr;

  ~Running() {
    if (chunk != nullptr) duckdb_destroy_data_chunk(&chunk);
    if (has_result) duckdb_destroy_result(&result);
    if (pending != nullptr) duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&statement);
  }
};

}  // namespace

std::vector<ColumnInfo> Database::describe(const std::string& sql) {
  Running run;
  std::string empty = "SELECT * FROM (" + sql + ") LIMIT 0";
  run.has_result = true;
  if (duckdb_query(handle_->connection, empty.c_str(), &run.result) == DuckDBError)
    fail_with(duckdb_result_error(&run.result));
  std::vector<ColumnInfo> columns;
  for (idx_t c = 0; c < duckdb_column_count(&run.result); ++c) {
    duckdb_logical_type type = duckdb_column_logical_type(&run.result, c);
    columns.push_back({duckdb_column_name(&run.result, c), type_of(type), ""});
    duckdb_destroy_logical_type(&type);
  }
  query("DESCRIBE SELECT * FROM (" + sql + ")",
        [&, next = size_t{0}](std::span<const ColumnView> view, size_t rows) mutable {
          for (size_t row = 0; row < rows; ++row) columns[next++].sql_type = view[1].text(row);
        });
  return columns;
}

void Database::query(const std::string& sql,
                     const std::function<void(std::span<const ColumnView>, size_t)>& consume) {
  Running run;
  if (duckdb_prepare(handle_->connection, sql.c_str(), &run.statement) == DuckDBError)
    fail_with(duckdb_prepare_error(run.statement));
  if (duckdb_pending_prepared_streaming(run.statement, &run.pending) == DuckDBError)
    fail_with(duckdb_pending_error(run.pending));
  run.has_result = true;
  if (duckdb_execute_pending(run.pending, &run.result) == DuckDBError)
    fail_with(duckdb_result_error(&run.result));
  std::vector<ColumnView> columns(duckdb_column_count(&run.result));
  for (idx_t c = 0; c < columns.size(); ++c) {
    duckdb_logical_type type = duckdb_column_logical_type(&run.result, c);
    columns[c].type_ = type_of(type);
    duckdb_destroy_logical_type(&type);
  }
  while ((run.chunk = duckdb_fetch_chunk(run.result)) != nullptr) {
    for (idx_t c = 0; c < columns.size(); ++c) {
      duckdb_vector vector = duckdb_data_chunk_get_vector(run.chunk, c);
      columns[c].vector_ = vector;
      columns[c].data_ = duckdb_vector_get_data(vector);
      columns[c].validity_ = duckdb_vector_get_validity(vector);
    }
    consume(columns, duckdb_data_chunk_get_size(run.chunk));
    duckdb_destroy_data_chunk(&run.chunk);
  }
  // A stream that fails midway ends like one that is done.
  if (const char* error = duckdb_result_error(&run.result); error != nullptr && *error != 0)
    fail_with(error);
}

int64_t Database::query_int64(const std::string& sql) {
  int64_t value = 0;
  query("SELECT CAST((" + sql + ") AS BIGINT)",
        [&](std::span<const ColumnView> columns, size_t rows) {
          if (rows > 0 && !columns[0].is_null(0)) value = columns[0].int64(0);
        });
  return value;
}

}  // namespace lemur
