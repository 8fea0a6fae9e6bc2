#include "lemur/http/json_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "lemur/base/config.h"
#include "lemur/features/category.h"
#include "lemur/http/json_text.h"

namespace lemur {
namespace {

constexpr size_t kMaxDepth = 16, kMaxIdBytes = 256, kMaxShownKey = 64, kMaxKeptBytes = 1 << 20;

/// Returns what an error may show of a client's key.
std::string_view shown(std::string_view key) {
  size_t length = std::min(key.size(), kMaxShownKey);
  while (length > 0 && !is_utf8(key.substr(0, length))) --length;
  return key.substr(0, length);
}

const char* type_name(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::STRING:
      return "a string";
    case simdjson::dom::element_type::BOOL:
      return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

[[noreturn]] void refuse_type(simdjson::dom::element value, const JsonPath& path,
                              const char* expected) {
  refuse_value(path, fmt::format("expected {}, found {}", expected, type_name(value)));
}

}  // namespace

std::string JsonPath::text() const {
  if (parent_ == nullptr) return "";
  std::string text = parent_->text();
  if (key_.data() == nullptr) return text + fmt::format("[{}]", index_);
  if (!text.empty()) text += '.';
  return text.append(shown(key_));
}

void refuse_value(const JsonPath& path, const std::string& message) {
  throw RequestError(400, "malformed", message, path.text());
}

void refuse_meaning(const JsonPath& path, const std::string& message) {
  throw RequestError(422, "invalid", message, path.text());
}

simdjson::dom::element parse_json(std::string& body) {
  thread_local simdjson::dom::parser parser;
  // A parser keeps many times the size of its largest body: not for longer than that body.
  if (parser.capacity() > kMaxKeptBytes && body.size() < kMaxKeptBytes)
    parser = simdjson::dom::parser();
  if (parser.max_depth() != kMaxDepth && parser.allocate(4096, kMaxDepth) != simdjson::SUCCESS)
    throw std::bad_alloc();
  body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  simdjson::dom::element root;
  const simdjson::error_code error = parser.parse(body.data(), body.size(), false).get(root);
  if (error == simdjson::MEMALLOC) throw std::bad_alloc();
  if (error == simdjson::DEPTH_ERROR)
    throw RequestError(400, "malformed", fmt::format("JSON is nested deeper than {}", kMaxDepth));
  if (error != simdjson::SUCCESS)
    throw RequestError(400, "malformed",
                       fmt::format("the body is no JSON: {}", simdjson::error_message(error)));
  return root;
}

simdjson::dom::object json_object(simdjson::dom::element value, const JsonPath& path) {
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) refuse_type(value, path, "an object");
  return object;
}

simdjson::dom::array json_array(simdjson::dom::element value, const JsonPath& path) {
  simdjson::dom::array array;
  if (value.get(array) != simdjson::SUCCESS) refuse_type(value, path, "an array");
  return array;
}

void refuse_key(const JsonPath& path, std::string_view key,
                std::span<const std::string_view> known) {
  const std::vector<std::string> names(known.begin(), known.end());
  refuse_value(path[key], fmt::format("unknown key '{}'; the nearest one is '{}'", shown(key),
                                      nearest(shown(key), names)));
}

void refuse_length(const JsonPath& path, size_t limit) {
  refuse_meaning(path, fmt::format("there are more than {} elements", limit));
}

void read_map(
    simdjson::dom::element value, const JsonPath& path,
    const std::function<void(std::string_view, simdjson::dom::element, const JsonPath&)>& visit) {
  std::vector<std::string_view> keys;
  for (const auto& [key, member] : json_object(value, path)) {
    visit(key, member, path[key]);
    keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) refuse_value(path[*twice], "the key is there twice");
}

std::string_view read_text(simdjson::dom::element value, const JsonPath& path, size_t max_bytes) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) refuse_type(value, path, "a string");
  if (text.size() > max_bytes)
    refuse_value(path, fmt::format("the text has {} bytes; at most {}", text.size(), max_bytes));
  return text;
}

std::string read_id(simdjson::dom::element value, const JsonPath& path) {
  if (value.is_string()) {
    const std::string_view text = read_text(value, path, kMaxIdBytes);
    if (text.empty()) refuse_value(path, "an ID is not empty");
    return std::string(text);
  }
  char text[24];
  int64_t number = 0;
  uint64_t large = 0;
  if (value.type() == simdjson::dom::element_type::INT64 && value.get(number) == simdjson::SUCCESS)
    return {text, std::to_chars(text, std::end(text), number).ptr};
  if (value.type() == simdjson::dom::element_type::UINT64 && value.get(large) == simdjson::SUCCESS)
    return {text, std::to_chars(text, std::end(text), large).ptr};
  if (double whole = 0; value.type() == simdjson::dom::element_type::DOUBLE &&
                        value.get(whole) == simdjson::SUCCESS) {
    if (auto name = name_of_number(whole)) return *name;
    refuse_value(path, fmt::format("a name is a string or a whole number; found {}", whole));
  }
  refuse_type(value, path, "a string or an integer");
}

int64_t read_integer(simdjson::dom::element value, const JsonPath& path, int64_t low,
                     int64_t high) {
  if (!value.is_number()) refuse_type(value, path, "an integer");
  int64_t number = 0;
  if (value.type() != simdjson::dom::element_type::INT64 ||
      value.get(number) != simdjson::SUCCESS || number < low || number > high)
    refuse_value(path, fmt::format("expected an integer from {} to {}", low, high));
  return number;
}

double read_number(simdjson::dom::element value, const JsonPath& path) {
  double number = 0;
  if (!value.is_number() || value.get(number) != simdjson::SUCCESS)
    refuse_type(value, path, "a number");
  return number;
}

bool read_bool(simdjson::dom::element value, const JsonPath& path) {
  bool is_true = false;
  if (value.get(is_true) != simdjson::SUCCESS) refuse_type(value, path, "true or false");
  return is_true;
}

}  // namespace lemur
