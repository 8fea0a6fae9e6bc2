// Parses one JSON object into the values of its paths, scalars as they are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lemur {

/// What a value is. A number with a fraction or an exponent is kNumber, any other kInteger.
enum class JsonKind : uint8_t { kNull, kText, kBool, kInteger, kNumber, kList, kObject, kNested };

struct JsonScalar {
  JsonKind kind = JsonKind::kNull;
  std::string_view text;  ///< of a string unescaped, else the token; empty for null
};

/// The value at a path of a record.
struct JsonMember {
  uint32_t path = 0;  ///< index in JsonPaths
  JsonScalar value;  ///< kList: an array of scalars; kNested: an array that holds objects or arrays
  size_t first_item = 0, num_items = 0;  ///< of kList, in JsonRecord::items()
};

/// The paths of keys, such as "user.id", numbered in the order of their first appearance.
class JsonPaths {
 public:
  /// Returns the path's number, a new one where it is new.
  uint32_t index_of(std::string_view path);
  const std::string& name(uint32_t path) const { return names_[path]; }
  size_t size() const { return names_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> indices_;
  std::vector<std::string> names_;
};

/// What is wrong with a record, and where in its text.
struct JsonFault {
  size_t position = 0;
  std::string what;
};

/// Reads objects as RFC 8259 writes them: names are there once, no comma too many, no NaN. Objects
/// in objects are flattened to paths. Numbers stay the digits that are written, so that integers of
/// any length are exact. (A parser of its own: simdjson's DOM refuses integers beyond 64 bits, and
/// its other API checks only what is asked for.) Not thread-safe.
class JsonRecord {
 public:
  static constexpr size_t kMaxDepth = 64, kMaxPaths = 10000;

  /// `paths` must outlive the record.
  explicit JsonRecord(JsonPaths& paths) : paths_(paths) {}

  /// Parses the object at the front of `text`, which may have blanks before it, and returns the
  /// length of both; 0 where `text` ends before the object does and `is_end` is false. Throws
  /// JsonFault. Requires: `text` is UTF-8.
  size_t parse(std::string_view text, bool is_end);

  /// The members in the order in which they are written, those of an object behind it. Views into
  /// the text that was parsed and into the record, valid until the next parse().
  std::span<const JsonMember> members() const { return members_; }
  std::span<const JsonScalar> items(const JsonMember& member) const {
    return std::span(items_).subspan(member.first_item, member.num_items);
  }

 private:
  struct NeedsMore {};

  void parse_object(size_t depth, bool is_kept);
  void parse_member(std::string_view key, size_t depth);
  void parse_list(JsonMember& member, size_t depth);
  void skip_value(size_t depth);
  JsonScalar parse_scalar();
  JsonScalar parse_token();
  JsonKind number_kind(std::string_view token) const;
  std::string_view parse_string();
  std::string_view unescape(size_t begin);
  uint32_t parse_unicode();
  uint32_t parse_hex();
  void append_utf8(uint32_t code);
  uint32_t path_of(std::string_view key);
  void skip_blanks();
  char peek();
  bool accept(char c);
  void expect(char c, const char* what);
  [[noreturn]] void refuse(size_t position, std::string what) const;

  JsonPaths& paths_;
  std::string_view text_;
  size_t at_ = 0;
  bool is_end_ = false;
  std::string prefix_;   // path of the object being read, with a point behind it
  std::string scratch_;  // strings without their escapes
  std::vector<JsonMember> members_;
  std::vector<JsonScalar> items_;
  std::vector<uint32_t> order_;    // paths of the last record: the next one mostly has the same
  std::vector<uint64_t> seen_in_;  // by path: the last record that had it
  uint64_t record_ = 0;
};

}  // namespace lemur
