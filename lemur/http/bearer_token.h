// The secret that clients show.
#pragma once

#include <string>
#include <string_view>

namespace lemur {

/// Reads a bearer token: the file's text without white space around it. Throws InvalidArgument
/// unless it has 16 to 1024 visible ASCII characters.
std::string read_token_file(const std::string& path);

/// Compares in a time that depends on `given` only.
bool tokens_equal(std::string_view given, std::string_view secret);

/// Whether all characters are printed ones of ASCII, none of them a space.
bool is_visible_ascii(std::string_view text);

}  // namespace lemur
