#include "lemur/input/json_record.h"

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/input/text_source.h"

namespace lemur {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Says whether a token of a number, word or anything else ends before `c`.
bool ends_token(char c) {
  return is_blank(c) || c == ',' || c == ']' || c == '}' || c == ':' || c == '"' || c == '[' ||
         c == '{';
}

}  // namespace

uint32_t JsonPaths::index_of(std::string_view path) {
  if (const auto found = indices_.find(path); found != indices_.end()) return found->second;
  const auto index = static_cast<uint32_t>(names_.size());
  indices_.emplace(path, index);
  names_.emplace_back(path);
  return index;
}

size_t JsonRecord::parse(std::string_view text, bool is_end) {
  text_ = text;
  at_ = 0;
  is_end_ = is_end;
  prefix_.clear();
  scratch_.clear();
  scratch_.reserve(text.size());  // no string grows when it is unescaped: the views into it stay
  members_.clear();
  items_.clear();
  ++record_;
  try {
    skip_blanks();
    if (peek() != '{') refuse(at_, "expected an object");
    parse_object(0, true);
  } catch (NeedsMore) {
    return 0;
  }
  order_.clear();
  for (const JsonMember& member : members_) order_.push_back(member.path);
  return at_;
}

void JsonRecord::refuse(size_t position, std::string what) const {
  throw JsonFault{position, std::move(what)};
}

char JsonRecord::peek() {
  if (at_ < text_.size()) return text_[at_];
  if (!is_end_) throw NeedsMore();
  refuse(at_, "the object ends too early");
}

void JsonRecord::skip_blanks() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
}

bool JsonRecord::accept(char c) {
  skip_blanks();
  if (peek() != c) return false;
  ++at_;
  return true;
}

void JsonRecord::expect(char c, const char* what) {
  if (accept(c)) return;
  refuse(at_, fmt::format("expected {}, found '{}'", what, shown(text_.substr(at_, 20))));
}

void JsonRecord::parse_object(size_t depth, bool is_kept) {
  if (depth > kMaxDepth) refuse(at_, fmt::format("is nested deeper than {}", kMaxDepth));
  expect('{', "'{'");
  if (accept('}')) return;
  do {
    skip_blanks();
    if (peek() != '"') expect('"', "a key in quotes");
    const std::string_view key = parse_string();
    expect(':', "':' behind the key");
    skip_blanks();
    if (is_kept)
      parse_member(key, depth);
    else
      skip_value(depth);
  } while (accept(','));
  expect('}', "',' or '}'");
}

void JsonRecord::parse_member(std::string_view key, size_t depth) {
  const size_t begin = at_;
  JsonMember member{path_of(key)};
  if (seen_in_.size() <= member.path) seen_in_.resize(member.path + 1);
  if (seen_in_[member.path] == record_)
    refuse(begin, fmt::format("the key '{}' is there twice", shown(paths_.name(member.path))));
  seen_in_[member.path] = record_;
  if (peek() == '{') {
    member.value.kind = JsonKind::kObject;
    members_.push_back(member);
    const size_t length = prefix_.size();
    prefix_.append(key).append(".");
    parse_object(depth + 1, true);
    prefix_.resize(length);
    return;
  }
  if (peek() == '[')
    parse_list(member, depth);
  else
    member.value = parse_scalar();
  members_.push_back(member);
}

void JsonRecord::parse_list(JsonMember& member, size_t depth) {
  if (depth + 1 > kMaxDepth) refuse(at_, fmt::format("is nested deeper than {}", kMaxDepth));
  expect('[', "'['");
  member.value.kind = JsonKind::kList;
  member.first_item = items_.size();
  if (accept(']')) return;
  do {
    skip_blanks();
    if (peek() == '{' || peek() == '[') {
      member.value.kind = JsonKind::kNested;
      skip_value(depth + 1);
    } else {
      items_.push_back(parse_scalar());
    }
  } while (accept(','));
  expect(']', "',' or ']'");
  member.num_items = items_.size() - member.first_item;
}

/// Checks a value that is not kept.
void JsonRecord::skip_value(size_t depth) {
  if (peek() == '{') {
    parse_object(depth + 1, false);
  } else if (peek() == '[') {
    JsonMember ignored;
    const size_t size = items_.size();
    parse_list(ignored, depth + 1);
    items_.resize(size);
  } else {
    parse_scalar();
  }
}

JsonScalar JsonRecord::parse_scalar() {
  if (peek() == '"') return {JsonKind::kText, parse_string()};
  return parse_token();
}

JsonScalar JsonRecord::parse_token() {
  const size_t begin = at_;
  while (at_ < text_.size() && !ends_token(text_[at_])) ++at_;
  if (at_ == text_.size()) peek();
  const std::string_view token = text_.substr(begin, at_ - begin);
  if (token == "null") return {};
  if (token == "true" || token == "false") return {JsonKind::kBool, token};
  const JsonKind kind = number_kind(token);
  if (kind == JsonKind::kNull)
    refuse(begin, token.empty()
                      ? fmt::format("expected a value, found '{}'", shown(text_.substr(at_, 20)))
                      : fmt::format("'{}' is no JSON", shown(token)));
  return {kind, token};
}

/// Returns kInteger or kNumber; kNull for what is no number.
JsonKind JsonRecord::number_kind(std::string_view token) const {
  auto digits = [&] {
    const size_t length =
        static_cast<size_t>(std::find_if_not(token.begin(), token.end(), is_digit) - token.begin());
    token.remove_prefix(length);
    return length;
  };
  if (token.starts_with('-')) token.remove_prefix(1);
  const bool is_zero = token.starts_with('0');
  const size_t before = digits();
  if (before == 0 || (is_zero && before > 1)) return JsonKind::kNull;
  if (token.empty()) return JsonKind::kInteger;
  if (token.starts_with('.')) {
    token.remove_prefix(1);
    if (digits() == 0) return JsonKind::kNull;
  }
  if (token.starts_with('e') || token.starts_with('E')) {
    token.remove_prefix(1);
    if (token.starts_with('+') || token.starts_with('-')) token.remove_prefix(1);
    if (digits() == 0) return JsonKind::kNull;
  }
  return token.empty() ? JsonKind::kNumber : JsonKind::kNull;
}

std::string_view JsonRecord::parse_string() {
  const size_t begin = ++at_;
  while (true) {
    const char c = peek();
    if (c == '"') return text_.substr(begin, at_++ - begin);
    if (c == '\\') return unescape(begin);
    if (static_cast<unsigned char>(c) < 0x20) refuse(at_, "a string holds a control character");
    ++at_;
  }
}

/// Reads the rest of a string that begins at `begin` and whose first escape is the next character.
std::string_view JsonRecord::unescape(size_t begin) {
  constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const size_t start = scratch_.size();
  scratch_.append(text_.substr(begin, at_ - begin));
  while (true) {
    char c = peek();
    ++at_;
    if (c == '"') return std::string_view(scratch_).substr(start);
    if (static_cast<unsigned char>(c) < 0x20) refuse(at_ - 1, "a string holds a control character");
    if (c != '\\') {
      scratch_ += c;
      continue;
    }
    c = peek();
    ++at_;
    if (c == 'u')
      append_utf8(parse_unicode());
    else if (const size_t found = kEscapes.find(c); found != std::string_view::npos)
      scratch_ += kMeanings[found];
    else
      refuse(at_ - 2, fmt::format("'\\{}' is no escape", shown(text_.substr(at_ - 1, 4))));
  }
}

/// Reads what follows \u, of a pair of surrogates both.
uint32_t JsonRecord::parse_unicode() {
  const size_t begin = at_ - 2;
  uint32_t code = parse_hex();
  if (code == 0) refuse(begin, "a string holds a NUL (\\u0000)");
  if (code < 0xd800 || code > 0xdfff) return code;
  bool is_pair = code < 0xdc00;
  for (const char c : {'\\', 'u'}) is_pair = is_pair && peek() == c && ++at_ > 0;
  const uint32_t low = is_pair ? parse_hex() : 0;
  if (low < 0xdc00 || low > 0xdfff)
    refuse(begin, fmt::format("\\u{:04x} is half of a character", code));
  return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

uint32_t JsonRecord::parse_hex() {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  uint32_t code = 0;
  for (int i = 0; i < 4; ++i) {
    const size_t digit = kDigits.find(peek());
    if (digit == std::string_view::npos) refuse(at_, "\\u is not followed by four digits");
    code = code * 16 + static_cast<uint32_t>(digit < 16 ? digit : digit - 6);
    ++at_;
  }
  return code;
}

void JsonRecord::append_utf8(uint32_t code) {
  auto add = [&](uint32_t byte) { scratch_ += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3f));
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

uint32_t JsonRecord::path_of(std::string_view key) {
  const size_t length = prefix_.size();
  const std::string_view path = length == 0 ? key : std::string_view(prefix_.append(key));
  const size_t place = members_.size();
  const bool is_as_before = place < order_.size() && paths_.name(order_[place]) == path;
  const uint32_t index = is_as_before ? order_[place] : paths_.index_of(path);
  prefix_.resize(length);
  if (paths_.size() > kMaxPaths)
    refuse(at_, fmt::format("holds the key '{}', one of more than {}: keys that are data, not "
                            "names, cannot be columns",
                            shown(paths_.name(index)), kMaxPaths));
  return index;
}

}  // namespace lemur
