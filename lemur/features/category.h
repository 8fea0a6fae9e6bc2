// The items of a category value and their keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lemur/base/hash.h"

namespace lemur {

/// Returns the text without blanks (space, tab, line ends) at its ends.
std::string_view trimmed(std::string_view text);

/// Calls visit(std::string_view item) with each item of a category's text: the parts between
/// separators, trimmed, but for empty ones; the whole text as it is, unless empty, where
/// `separator` is empty. Returns the number of empty items that were dropped from a text that holds
/// several.
template <typename Visit>
size_t for_each_item(std::string_view text, std::string_view separator, const Visit& visit) {
  if (separator.empty()) {
    if (!text.empty()) visit(text);
    return 0;
  }
  size_t dropped = 0, parts = 0;
  for (bool is_last = false; !is_last; ++parts) {
    const size_t cut = text.find(separator);
    is_last = cut == std::string_view::npos;
    const std::string_view item = trimmed(text.substr(0, cut));
    if (item.empty())
      ++dropped;
    else
      visit(item);
    if (!is_last) text.remove_prefix(cut + separator.size());
  }
  return parts == 1 ? 0 : dropped;
}

/// Key of one item: XXH3-64 of its bytes.
inline uint64_t category_key(std::string_view item) { return hash_bytes(item); }

/// Text of a number that stands for a name (an ID, a category): of a whole number its digits, as
/// "1" for 1.0. Nothing for a fraction, NaN, infinity and what is beyond 2^53, where doubles leave
/// out integers.
std::optional<std::string> name_of_number(double value);

}  // namespace lemur
