// Parquet files as one table, columns by name.
#pragma once

#include <string>
#include <vector>

#include "lemur/data/column_value.h"
#include "lemur/data/database.h"

namespace lemur {

/// Something to select from whose columns are plain: members of objects have columns of their own
/// ("user.id").
struct SourceTable {
  std::string from;  ///< FROM item: the columns without a fault, __file VARCHAR, __place BIGINT
  std::vector<SourceColumn> columns;
};

/// Returns SQL of the columns of `from` and of the members of its objects, and their types. An
/// object itself has a fault that names its members.
struct ColumnExpression {
  SourceColumn column;
  std::string sql;
};
std::vector<ColumnExpression> plain_columns(Database& database, const std::string& from);

/// Returns the files as one table in their order. A column that a file lacks, or whose type fits no
/// other's and which has no values there, is NULL in it. Types that differ are widened
/// (column_value.h) or are the column's fault, which names two files. __place is the row of the
/// file, from 0. `names` are the files' names in messages. Throws DataError naming a file that
/// cannot be read.
SourceTable parquet_table(Database& database, const std::vector<std::string>& files,
                          const std::vector<std::string>& names);

/// Returns the number of rows that the files say they have.
int64_t parquet_rows(Database& database, const std::vector<std::string>& files);

}  // namespace lemur
