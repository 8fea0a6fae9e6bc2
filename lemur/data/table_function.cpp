#include "lemur/data/table_function.h"

#include <duckdb.h>

#include <atomic>

#include "lemur/base/error.h"

namespace lemur {

/// Wraps a chunk of DuckDB's; the columns that nobody asked for (count(*) asks for none) are left.
class ChunkFiller {
 public:
  static ChunkWriter wrap(duckdb_data_chunk chunk, size_t num_columns) {
    ChunkWriter writer;
    for (size_t c = 0; c < num_columns; ++c) {
      duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, c);
      writer.columns_.push_back({vector, duckdb_vector_get_data(vector)});
    }
    return writer;
  }
};

namespace {

using TablePointer = std::shared_ptr<const TableSource>;

struct Pass {
  std::unique_ptr<TableScan> scan;
  size_t num_columns = 0;
};

template <typename T>
void destroy(void* object) {
  delete static_cast<T*>(object);
}

/// Runs `action`; its exception becomes the error of DuckDB's `info`. None crosses DuckDB's C.
template <typename Info, typename Action>
void guarded(Info info, void (*set_error)(Info, const char*), Action&& action) {
  try {
    action();
  } catch (const std::exception& error) {
    set_error(info, error.what());
  }
}

duckdb_logical_type logical_type(ColumnType type) {
  if (type == ColumnType::kInt64) return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
  duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
  if (type == ColumnType::kText) return text;
  ensure(type == ColumnType::kTextList, "duckdb", "a table's columns are texts, lists or integers");
  duckdb_logical_type list = duckdb_create_list_type(text);
  duckdb_destroy_logical_type(&text);
  return list;
}

void bind(duckdb_bind_info info) {
  guarded(info, duckdb_bind_set_error, [&] {
    for (const auto& column :
         (*static_cast<TablePointer*>(duckdb_bind_get_extra_info(info)))->columns()) {
      duckdb_logical_type type = logical_type(column.type);
      duckdb_bind_add_result_column(info, column.name.c_str(), type);
      duckdb_destroy_logical_type(&type);
    }
  });
}

void begin(duckdb_init_info info) {
  guarded(info, duckdb_init_set_error, [&] {
    const TableSource& table = **static_cast<TablePointer*>(duckdb_init_get_extra_info(info));
    const size_t known = table.columns().size();
    std::vector<size_t> columns;
    for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i)
      if (idx_t column = duckdb_init_get_column_index(info, i); column < known)
        columns.push_back(column);
    const size_t num_columns = columns.size();
    auto pass = std::make_unique<Pass>(Pass{table.scan(std::move(columns)), num_columns});
    duckdb_init_set_init_data(info, pass.release(), destroy<Pass>);
    duckdb_init_set_max_threads(info, 1);
  });
}

void read(duckdb_function_info info, duckdb_data_chunk chunk) {
  guarded(info, duckdb_function_set_error, [&] {
    auto& pass = *static_cast<Pass*>(duckdb_function_get_init_data(info));
    ChunkWriter writer = ChunkFiller::wrap(chunk, pass.num_columns);
    duckdb_data_chunk_set_size(chunk, pass.scan->read(writer, duckdb_vector_size()));
  });
}

}  // namespace

void ChunkWriter::set_text(size_t column, size_t row, std::string_view value) {
  duckdb_vector_assign_string_element_len(static_cast<duckdb_vector>(columns_[column].vector), row,
                                          value.data(), value.size());
}

void ChunkWriter::set_int64(size_t column, size_t row, int64_t value) {
  static_cast<int64_t*>(columns_[column].data)[row] = value;
}

void ChunkWriter::set_null(size_t column, size_t row) {
  Column& to = columns_[column];
  if (to.validity == nullptr) {
    duckdb_vector_ensure_validity_writable(static_cast<duckdb_vector>(to.vector));
    to.validity = duckdb_vector_get_validity(static_cast<duckdb_vector>(to.vector));
  }
  duckdb_validity_set_row_invalid(to.validity, row);
}

void ChunkWriter::set_list(size_t column, size_t row,
                           std::span<const std::optional<std::string_view>> items) {
  Column& to = columns_[column];
  auto vector = static_cast<duckdb_vector>(to.vector);
  const size_t first = to.num_items;
  to.num_items += items.size();
  if (duckdb_list_vector_reserve(vector, to.num_items) == DuckDBError ||
      duckdb_list_vector_set_size(vector, to.num_items) == DuckDBError)
    throw std::bad_alloc();
  duckdb_vector child = duckdb_list_vector_get_child(vector);  // may have moved
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i]) {
      duckdb_vector_assign_string_element_len(child, first + i, items[i]->data(), items[i]->size());
      continue;
    }
    duckdb_vector_ensure_validity_writable(child);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(child), first + i);
  }
  static_cast<duckdb_list_entry*>(to.data)[row] = {first, items.size()};
}

std::string add_table(Database& database, std::shared_ptr<const TableSource> table) {
  static std::atomic<int64_t> count = 0;
  const std::string name = fmt::format("lemur_table_{}", count++);
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, name.c_str());
  duckdb_table_function_set_extra_info(function, new TablePointer(std::move(table)),
                                       destroy<TablePointer>);
  duckdb_table_function_set_bind(function, bind);
  duckdb_table_function_set_init(function, begin);
  duckdb_table_function_set_function(function, read);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const auto state = duckdb_register_table_function(
      static_cast<duckdb_connection>(database.connection()), function);
  duckdb_destroy_table_function(&function);
  if (state == DuckDBError) fail<InternalError>("duckdb", "{} could not be registered", name);
  return name + "()";
}

}  // namespace lemur
