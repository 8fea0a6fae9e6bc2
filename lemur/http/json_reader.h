// Reads JSON bodies strictly: every error names the field. The parser is simdjson.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "lemur/base/error.h"

namespace lemur {

/// What is wrong with a request: becomes an answer of that status.
class RequestError : public InvalidArgument {
 public:
  RequestError(int status, std::string code, const std::string& message, std::string field = {})
      : InvalidArgument(message), status(status), code(std::move(code)), field(std::move(field)) {}
  int status;
  std::string code, field;
};

/// Where a value stands, such as "documents[3].id"; made into text for errors only. A path must
/// outlive those made of it.
class JsonPath {
 public:
  JsonPath() = default;
  JsonPath operator[](std::string_view key) const { return JsonPath(this, key, 0); }
  JsonPath operator[](size_t index) const { return JsonPath(this, {}, index); }
  std::string text() const;

 private:
  JsonPath(const JsonPath* parent, std::string_view key, size_t index)
      : parent_(parent), key_(key), index_(index) {}
  const JsonPath* parent_ = nullptr;
  std::string_view key_;
  size_t index_ = 0;
};

/// Throws RequestError 400 "malformed": the value is of a wrong type or out of range.
[[noreturn]] void refuse_value(const JsonPath& path, const std::string& message);

/// Throws RequestError 422 "invalid": well-formed, but not what this server can do.
[[noreturn]] void refuse_meaning(const JsonPath& path, const std::string& message);

/// Parses a body, which gets room behind its end. The result lives until the next call on this
/// thread, at most as long as the body. Throws RequestError 400 for what is no JSON (RFC 8259,
/// UTF-8, depth at most 16).
simdjson::dom::element parse_json(std::string& body);

/// Calls visit(index in `known`, value, path) for each member of an object. Throws RequestError for
/// another type, an unknown key (naming the nearest known one) or a key that is there twice.
/// Requires: at most 64 known keys.
template <typename Visit>
void read_object(simdjson::dom::element value, const JsonPath& path,
                 std::initializer_list<std::string_view> known, Visit&& visit);

/// Calls visit(key, value, path) for each member of an object whose keys are free. Throws
/// RequestError for another type or a key that is there twice.
void read_map(
    simdjson::dom::element value, const JsonPath& path,
    const std::function<void(std::string_view, simdjson::dom::element, const JsonPath&)>& visit);

/// Calls visit(index, value, path) for each element. Throws RequestError for another type, or 422
/// for more elements than `limit`.
template <typename Visit>
void read_array(simdjson::dom::element value, const JsonPath& path, size_t limit, Visit&& visit);

/// Returns a string of at most `max_bytes`.
std::string_view read_text(simdjson::dom::element value, const JsonPath& path, size_t max_bytes);

/// Returns an ID: a string of 1 to 256 bytes, or a whole number as decimal text.
std::string read_id(simdjson::dom::element value, const JsonPath& path);

int64_t read_integer(simdjson::dom::element value, const JsonPath& path, int64_t low, int64_t high);
double read_number(simdjson::dom::element value, const JsonPath& path);
bool read_bool(simdjson::dom::element value, const JsonPath& path);

// Implementation.

simdjson::dom::object json_object(simdjson::dom::element value, const JsonPath& path);
simdjson::dom::array json_array(simdjson::dom::element value, const JsonPath& path);
[[noreturn]] void refuse_key(const JsonPath& path, std::string_view key,
                             std::span<const std::string_view> known);
[[noreturn]] void refuse_length(const JsonPath& path, size_t limit);

template <typename Visit>
void read_object(simdjson::dom::element value, const JsonPath& path,
                 std::initializer_list<std::string_view> known, Visit&& visit) {
  uint64_t seen = 0;
  for (const auto& [key, member] : json_object(value, path)) {
    size_t index = 0;
    while (index < known.size() && known.begin()[index] != key) ++index;
    if (index == known.size()) refuse_key(path, key, {known.begin(), known.size()});
    const JsonPath member_path = path[key];
    if (seen >> index & 1) refuse_value(member_path, "the key is there twice");
    seen |= uint64_t{1} << index;
    visit(index, member, member_path);
  }
}

template <typename Visit>
void read_array(simdjson::dom::element value, const JsonPath& path, size_t limit, Visit&& visit) {
  size_t index = 0;
  for (simdjson::dom::element element : json_array(value, path)) {
    if (index == limit) refuse_length(path, limit);
    visit(index, element, path[index]);
    ++index;
  }
}

}  // namespace lemur
