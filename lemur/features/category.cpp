#include "lemur/features/category.h"

#include <fmt/format.h>

#include <cmath>

namespace lemur {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<std::string> name_of_number(double value) {
  constexpr double kLargest = 9007199254740992;  // 2^53
  if (!(std::abs(value) <= kLargest) || value != std::trunc(value)) return std::nullopt;
  return fmt::format("{}", static_cast<int64_t>(value));
}

}  // namespace lemur
