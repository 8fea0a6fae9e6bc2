// The times of an input table: one unit for the whole column (features/time_rule.h).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "lemur/data/ingest_source.h"
#include "lemur/features/time_rule.h"

namespace lemur {

struct TimeOptions {
  std::string format;  ///< data.time_format; empty: to be found
  int64_t now_ms = 0;
};

/// Throws InvalidArgument for a data.time_format that is neither a unit nor a pattern of dates.
void check_time_format(Database& database, const std::string& format);

/// One table's column of times.
class TimeColumn {
 public:
  /// Throws InvalidArgument for a column of another type. Requires: check_time_format(). `source`
  /// must outlive it.
  TimeColumn(const IngestSource& source, const std::string& column, const TimeOptions& options);

  /// Columns for IngestSource::materialize(): __time, __time_rest, __time_is_date; each with a
  /// comma before it.
  std::string sql() const;

  /// Makes __time of the materialised `table` milliseconds since 1970: `table` becomes a view of
  /// `table`_as_read.
  /// Returns {"unit": s, ms, us, ns, the pattern or "timestamps", "first", "last"}. Throws
  /// DataError naming file, row and value for what is no time, is none between 1990 and a day from
  /// now (unless a format is given) or is of another unit than the first row.
  nlohmann::json settle(Database& database, const std::string& table) const;

 private:
  bool is_pattern() const { return options_.format.find('%') != std::string::npos; }
  bool is_declared() const { return !options_.format.empty(); }
  void check_kinds(Database& database, const std::string& table, bool are_dates) const;
  void check_range(Database& database, const std::string& table, TimeRange range,
                   std::optional<TimeUnit> unit) const;
  std::string complaint_about(int64_t number, std::optional<TimeUnit> unit) const;
  std::string window_complaint() const;

  const IngestSource& source_;
  std::string column_;
  TimeOptions options_;
};

}  // namespace lemur
