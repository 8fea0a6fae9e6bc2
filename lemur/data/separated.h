// Texts that hold several names, such as "Drama|War".
#pragma once

#include <string_view>

namespace lemur {

/// Calls visit(std::string_view) with each part of `text` between separators, empty ones included;
/// with the whole text where `separator` is empty.
template <typename Visit>
void for_each_part(std::string_view text, std::string_view separator, const Visit& visit) {
  while (!separator.empty()) {
    const size_t cut = text.find(separator);
    if (cut == std::string_view::npos) break;
    visit(text.substr(0, cut));
    text.remove_prefix(cut + separator.size());
  }
  visit(text);
}

}  // namespace lemur
