#include "lemur/features/time_rule.h"

#include <fmt/format.h>

#include <array>
#include <chrono>

namespace lemur {
namespace {

constexpr std::array kUnits = {TimeUnit::kSeconds, TimeUnit::kMilliseconds, TimeUnit::kMicroseconds,
                               TimeUnit::kNanoseconds};
constexpr std::array<std::string_view, 4> kNames = {"s", "ms", "us", "ns"};

}  // namespace

bool is_plausible_time(int64_t ms, int64_t now_ms) {
  return ms >= kEarliestTimeMs && ms <= now_ms + kMsOfDay;
}

std::string_view name_of(TimeUnit unit) { return kNames[static_cast<size_t>(unit)]; }

std::optional<TimeUnit> time_unit(std::string_view name) {
  for (TimeUnit unit : kUnits)
    if (name_of(unit) == name) return unit;
  return std::nullopt;
}

TimeRange plausible_range(TimeUnit unit, int64_t now_ms) {
  const int64_t last = now_ms + kMsOfDay;
  switch (unit) {
    case TimeUnit::kSeconds:
      return {kEarliestTimeMs / 1000, last / 1000};
    case TimeUnit::kMilliseconds:
      break;
    case TimeUnit::kMicroseconds:
      return {kEarliestTimeMs * 1000, last * 1000};
    case TimeUnit::kNanoseconds:
      return {kEarliestTimeMs * 1'000'000, last * 1'000'000};
  }
  return {kEarliestTimeMs, last};
}

std::optional<TimeUnit> plausible_unit(int64_t number, int64_t now_ms) {
  for (TimeUnit unit : kUnits) {
    const TimeRange range = plausible_range(unit, now_ms);
    if (number >= range.first && number <= range.last) return unit;
  }
  return std::nullopt;
}

std::string calendar_pattern(int64_t number) {
  std::string pattern = "%Y%m%d";
  int64_t digits = 8;
  for (int64_t rest = number / 100'000'000; rest > 0; rest /= 10) ++digits;
  for (const auto& [part, length] : {std::pair("%H", 10), {"%M", 12}, {"%S", 14}})
    if (digits >= length) pattern += part;
  if (number < 19'000'101 || (digits != 8 && digits != 10 && digits != 12 && digits != 14))
    return "";
  int64_t day = number;
  std::array<int64_t, 3> time{};  // hour, minute, second
  for (auto i = static_cast<size_t>(digits - 8) / 2; i > 0; --i, day /= 100)
    time[i - 1] = day % 100;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(day / 10'000)),
                                         std::chrono::month(static_cast<unsigned>(day / 100 % 100)),
                                         std::chrono::day(static_cast<unsigned>(day % 100)));
  const bool is_date = date.ok() && day >= 19'000'101 && day < 22'000'101;
  return is_date && time[0] < 24 && time[1] < 60 && time[2] < 60 ? pattern : "";
}

std::string utc_text(int64_t ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  constexpr int64_t kMsOfYear = 31'556'952'000;
  if (ms < -1970 * kMsOfYear || ms >= 8030 * kMsOfYear) return fmt::format("{}", ms);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace lemur
