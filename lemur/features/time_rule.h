// Which numbers are times: one rule for what is ingested and what is served.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lemur {

inline constexpr int64_t kEarliestTimeMs = 631'152'000'000;  ///< 1990-01-01
inline constexpr int64_t kMsOfDay = 86'400'000;

/// Says that a time lies between 1990-01-01 and a day after `now_ms`: what does not is no time of
/// an event unless data.time_format declares how times are written.
bool is_plausible_time(int64_t ms, int64_t now_ms);

/// What a number counts since 1970-01-01.
enum class TimeUnit { kSeconds, kMilliseconds, kMicroseconds, kNanoseconds };

std::string_view name_of(TimeUnit unit);  ///< s, ms, us, ns
std::optional<TimeUnit> time_unit(std::string_view name);

/// Range of the plausible numbers of a unit, both ends within.
struct TimeRange {
  int64_t first, last;
};
TimeRange plausible_range(TimeUnit unit, int64_t now_ms);

/// Returns the unit in which a number is a plausible time; their ranges do not meet.
std::optional<TimeUnit> plausible_unit(int64_t number, int64_t now_ms);

/// Returns the pattern under which a number reads as a day, or a time of a day, between 1900 and
/// 2199: %Y%m%d, %Y%m%d%H, %Y%m%d%H%M or %Y%m%d%H%M%S; empty: none.
std::string calendar_pattern(int64_t number);

/// Returns a time as "2024-01-31 23:59:59" (UTC), its milliseconds left out; of years outside of 0
/// to 9999 the number itself.
std::string utc_text(int64_t ms);

}  // namespace lemur
