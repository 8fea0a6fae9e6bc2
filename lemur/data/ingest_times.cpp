#include "lemur/data/ingest_times.h"

#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr const char* kHowToSay =
    "data.time_format = \"s\", \"ms\", \"us\", \"ns\" or a pattern such as \"%Y%m%d\" says how "
    "times "
    "are written, and takes any";
/// Milliseconds of declared times, of either sign: 285,000 years.
constexpr int64_t kLargestMs = int64_t{1} << 53;

/// Milliseconds of __time and __time_rest in a unit.
std::string milliseconds_sql(TimeUnit unit) {
  constexpr const char* kScaled = "CAST(round(coalesce(__time_rest, 0) * {}) AS BIGINT)";
  const auto divided = [](int64_t by) {
    return fmt::format("__time // {0} - CAST(__time % {0} < 0 AS BIGINT)", by);
  };
  switch (unit) {
    case TimeUnit::kSeconds:
      return "__time * 1000 + " + fmt::format(kScaled, 1000);
    case TimeUnit::kMilliseconds:
      return "__time + " + fmt::format(kScaled, 1);
    case TimeUnit::kMicroseconds:
      return divided(1000);
    case TimeUnit::kNanoseconds:
      break;
  }
  return divided(1'000'000);
}

/// Range of the numbers of a declared unit.
TimeRange declared_range(TimeUnit unit) {
  if (unit == TimeUnit::kSeconds) return {-kLargestMs / 1000, kLargestMs / 1000};
  if (unit == TimeUnit::kMilliseconds) return {-kLargestMs, kLargestMs};
  return {-std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()};
}

/// What a statement of integers and truths gives in its only row; nothing for NULL.
std::vector<std::optional<int64_t>> integers(Database& database, const std::string& sql) {
  std::vector<std::optional<int64_t>> values;
  database.query(sql, [&](std::span<const ColumnView> view, size_t rows) {
    if (rows == 0) return;
    for (const ColumnView& value : view)
      values.push_back(value.is_null(0) ? std::nullopt : std::optional(value.int64(0)));
  });
  return values;
}

}  // namespace

void check_time_format(Database& database, const std::string& format) {
  if (format.empty() || time_unit(format)) return;
  std::string why;
  if (format.find('%') != std::string::npos) try {
      database.execute("SELECT try_strptime('', " + sql_literal(format) + ")");
      return;
    } catch (const DataError& error) {
      const std::string_view message = error.what();
      why = fmt::format("; {}", message.substr(message.rfind("specifier ") + 10));
    }
  fail<InvalidArgument>(
      "ingest", "data.time_format = \"{}\": expected s, ms, us, ns or a pattern such as %Y%m%d{}",
      format, why);
}

TimeColumn::TimeColumn(const IngestSource& source, const std::string& column,
                       const TimeOptions& options)
    : source_(source), column_(column), options_(options) {
  const ValueKind kind = value_kind(source.column(column).sql_type);
  if (kind == ValueKind::kBool || kind == ValueKind::kList || kind == ValueKind::kOther)
    fail<InvalidArgument>("ingest", "{}: column '{}' is {}; expected times", source.name(), column,
                          source.column(column).sql_type);
}

std::string TimeColumn::sql() const {
  const ValueKind kind = value_kind(source_.column(column_).sql_type);
  const std::string value = sql_name(column_);
  const auto columns = [](const std::string& time, const std::string& rest,
                          const std::string& is_date) {
    return ", " + time + " AS __time, CAST(" + rest + " AS DOUBLE) AS __time_rest, " + is_date +
           " AS __time_is_date";
  };
  const auto dates = [&](const std::string& timestamp) {
    return columns("epoch_ms(TRY_CAST(" + timestamp + " AS TIMESTAMP))", "NULL", "true");
  };
  if (kind == ValueKind::kTime) return dates(value);
  const std::string text = source_.text_sql(column_);
  if (is_pattern())
    return dates("try_strptime(" + text + ", " + sql_literal(options_.format) + ")");
  if (kind == ValueKind::kInteger)
    return columns("TRY_CAST(" + value + " AS BIGINT)", "NULL", "false");
  const std::string number = source_.number_sql(column_);
  const std::string whole = "TRY_CAST(floor(" + number + ") AS BIGINT)",
                    rest = number + " - floor(" + number + ")";
  if (kind == ValueKind::kReal || kind == ValueKind::kDecimal) return columns(whole, rest, "false");
  // Digits go past DOUBLE, which leaves out nanoseconds.
  const std::string digits = "regexp_full_match(" + text + ", ' *[+-]?[0-9]{1,19} *')";
  return columns("CASE WHEN " + digits + " THEN TRY_CAST(" + text + " AS BIGINT) WHEN " + number +
                     " IS NOT NULL THEN " + whole + " ELSE epoch_ms(TRY_CAST(" + text +
                     " AS TIMESTAMPTZ)) END",
                 "CASE WHEN NOT " + digits + " THEN " + rest + " END", number + " IS NULL");
}

void TimeColumn::check_kinds(Database& database, const std::string& table, bool are_dates) const {
  const auto rows =
      integers(database, fmt::format("SELECT min(__row) FILTER (WHERE __time IS NULL), min(__row) "
                                     "FILTER (WHERE __time_is_date <> {}) FROM {}",
                                     are_dates, table));
  if (rows[0] && is_pattern())
    source_.fail_at(column_, *rows[0],
                    "expected a time written as data.time_format = \"" + options_.format + "\"");
  if (rows[0])
    source_.fail_at(column_, *rows[0],
                    "expected a time: a timestamp, or a number of seconds, milliseconds, "
                    "microseconds or nanoseconds since 1970");
  if (rows[1])
    source_.fail_at(column_, *rows[1],
                    are_dates ? "expected a timestamp, as the first row has"
                              : "expected a number, as the first row has");
}

std::string TimeColumn::window_complaint() const {
  return "expected a time between 1990-01-01 and a day from now, " +
         utc_text(options_.now_ms + kMsOfDay);
}

/// What is wrong with a number; unit: that of the first row.
std::string TimeColumn::complaint_about(int64_t number, std::optional<TimeUnit> unit) const {
  if (const std::string pattern = calendar_pattern(number); !pattern.empty())
    return fmt::format("it looks like a date written as {}; data.time_format = \"{}\" reads it so",
                       std::string_view("yyyymmddhhmmss").substr(0, pattern.size() + 2), pattern);
  if (const auto other = plausible_unit(number, options_.now_ms); other && unit)
    return fmt::format(
        "it looks like a number of {} and the first row's like one of {}; expected one unit for "
        "the whole column",
        name_of(*other), name_of(*unit));
  std::string would_be;
  if (unit.value_or(TimeUnit::kSeconds) == TimeUnit::kSeconds &&
      std::abs(number) < kLargestMs / 1000)
    would_be = ", and in seconds it is " + utc_text(number * 1000);
  return fmt::format("{}, in s, ms, us or ns since 1970{}; {}", window_complaint(), would_be,
                     kHowToSay);
}

void TimeColumn::check_range(Database& database, const std::string& table, TimeRange range,
                             std::optional<TimeUnit> unit) const {
  const auto first = integers(
      database, fmt::format("SELECT __row, __time FROM {} WHERE __time NOT BETWEEN {} AND {} ORDER "
                            "BY __row LIMIT 1",
                            table, range.first, range.last));
  if (first.empty()) return;
  std::string complaint = "expected a time within 285,000 years of 1970";
  if (!is_declared())
    complaint = unit ? complaint_about(*first[1], unit) : window_complaint() + "; " + kHowToSay;
  source_.fail_at(column_, *first[0], complaint);
}

nlohmann::json TimeColumn::settle(Database& database, const std::string& table) const {
  const auto first =
      integers(database, "SELECT __time_is_date, __time FROM " + table + " WHERE __row = 0");
  const bool are_dates = first[0] == 1;
  check_kinds(database, table, are_dates);
  if (are_dates) {
    const TimeRange plausible = plausible_range(TimeUnit::kMilliseconds, options_.now_ms);
    check_range(database, table, is_declared() ? TimeRange{-kLargestMs, kLargestMs} : plausible,
                std::nullopt);
  }
  std::optional<TimeUnit> unit;
  if (!are_dates) {
    unit = is_declared() ? time_unit(options_.format) : plausible_unit(*first[1], options_.now_ms);
    if (!unit) source_.fail_at(column_, 0, complaint_about(*first[1], unit));
    const TimeRange range =
        is_declared() ? declared_range(*unit) : plausible_range(*unit, options_.now_ms);
    check_range(database, table, range, unit);
  }
  database.execute("ALTER TABLE " + table + " RENAME TO " + table + "_as_read");
  database.execute("CREATE VIEW " + table + " AS SELECT * REPLACE (" +
                   (unit ? milliseconds_sql(*unit) : "__time") + " AS __time) FROM " + table +
                   "_as_read");
  const auto ends = integers(database, "SELECT min(__time), max(__time) FROM " + table);
  const std::string written = is_pattern() ? options_.format : "timestamps";
  return {{"unit", unit ? std::string(name_of(*unit)) : written},
          {"first", utc_text(*ends[0])},
          {"last", utc_text(*ends[1])}};
}

}  // namespace lemur
