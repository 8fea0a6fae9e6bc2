// What the columns of an input hold: the summary's "columns".
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lemur/data/ingest_source.h"

namespace lemur {

/// What a column is read as; several where it serves several ends.
struct ColumnUse {
  bool as_text = false, as_category = false, as_number = false, as_image = false;
};

/// A column of a materialised table.
struct ReportedColumn {
  SourceColumn column;  ///< named as in the input, of the type that it has in the table
  std::string sql;      ///< its value in the table
  ColumnUse use = {};
};

/// Returns {column: {"rows", "nulls", "distinct" (an estimate), "min", "max"}} of a table that
/// `source` was materialised to; texts are cut to 60 characters. Where a value is missing to one of
/// the column's ends it has "missing" [{"why", "rows", "first": the places of the first three}].
/// One pass.
nlohmann::json report_columns(Database& database, const IngestSource& source,
                              const std::string& table, const std::vector<ReportedColumn>& columns);

}  // namespace lemur
