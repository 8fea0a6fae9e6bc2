// A table of the configuration (file, glob or SQL) as something that DuckDB can select from.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lemur/data/database.h"

namespace lemur {

/// One input table: how it is named in messages, how it is selected from, which columns it has.
class IngestSource {
 public:
  /// Opens `text` (a path or glob relative to `base`, or "sql: SELECT ..."). Throws InvalidArgument
  /// for an ending that is not known or no matching file, DataError for a file that cannot be read.
  IngestSource(Database& database, const std::string& text, const std::filesystem::path& base);

  const std::string& name() const { return name_; }
  const std::string& sql() const { return sql_; }  ///< a FROM item
  bool has(const std::string& column) const;

  /// Throws InvalidArgument naming the columns that exist and the nearest when `column` is missing.
  void require(const std::string& column) const;
  const ColumnInfo& column(const std::string& column) const;

 private:
  std::string name_, sql_;
  std::vector<ColumnInfo> columns_;
};

}  // namespace lemur
