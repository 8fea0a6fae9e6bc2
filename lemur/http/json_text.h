// Writes JSON text and checks UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lemur {

/// Appends `text` as a JSON string; bytes that are no UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text);

/// Appends the shortest of at most 9 significant digits that read back as the same float; null for
/// what is not finite.
void append_json(std::string& out, float number);

/// Appends a number with 6 significant digits; null for what is not finite.
void append_json(std::string& out, double number);

void append_json(std::string& out, int64_t number);

/// Appends elements with commas between them, each by `append_one`.
template <typename Elements, typename AppendOne>
void append_joined(std::string& out, Elements&& elements, const AppendOne& append_one) {
  bool is_first = true;
  for (const auto& element : elements) {
    if (!is_first) out += ',';
    is_first = false;
    append_one(element);
  }
}

/// Appends a list of them.
template <typename Elements, typename AppendOne>
void append_list(std::string& out, Elements&& elements, const AppendOne& append_one) {
  out += '[';
  append_joined(out, elements, append_one);
  out += ']';
}

/// Returns the number of bytes of the UTF-8 character at the front of `text`; 0 where there is
/// none.
size_t utf8_length(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace lemur
