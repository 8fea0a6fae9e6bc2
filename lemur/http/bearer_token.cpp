#include "lemur/http/bearer_token.h"

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"

namespace lemur {

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string read_token_file(const std::string& path) {
  std::string text;
  try {
    text = read_file(path);
  } catch (const DataError& error) {
    throw InvalidArgument(error.what());
  }
  constexpr const char* kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  const size_t end = text.find_last_not_of(kSpace);
  std::string token = begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
  if (token.size() < 16 || token.size() > 1024 || !is_visible_ascii(token))
    fail<InvalidArgument>("http", "{}: a token has 16 to 1024 visible ASCII characters", path);
  return token;
}

bool tokens_equal(std::string_view given, std::string_view secret) {
  size_t difference = given.size() ^ secret.size();
  for (size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i]) ^
                  static_cast<unsigned char>(secret.empty() ? 0 : secret[i % secret.size()]);
  return difference == 0;
}

}  // namespace lemur
