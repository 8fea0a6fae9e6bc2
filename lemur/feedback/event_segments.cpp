#include "lemur/feedback/event_segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

constexpr size_t kLengthDigits = 8, kHashDigits = 16;
constexpr size_t kChecked = kLengthDigits + 1 + kHashDigits + 1;  // where the checked part begins
constexpr size_t kPayload = kChecked + kHashDigits + 1;

/// Reads a hexadecimal number of fixed width that a space follows.
bool read_field(std::string_view bytes, size_t offset, size_t digits, uint64_t& value) {
  if (bytes.size() <= offset + digits || bytes[offset + digits] != ' ') return false;
  const char* end = bytes.data() + offset + digits;
  const auto result = std::from_chars(bytes.data() + offset, end, value, 16);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

void append_record(std::string& out, uint64_t key, std::string_view payload) {
  const std::string checked = fmt::format("{:016x} {}", key, payload);
  fmt::format_to(std::back_inserter(out), "{:08x} {:016x} {}\n", payload.size(),
                 hash_bytes(checked), checked);
}

std::optional<LogRecord> read_record(std::string_view bytes) {
  LogRecord record;
  uint64_t length = 0, checksum = 0;
  if (!read_field(bytes, 0, kLengthDigits, length) ||
      !read_field(bytes, kLengthDigits + 1, kHashDigits, checksum) ||
      !read_field(bytes, kChecked, kHashDigits, record.key))
    return std::nullopt;
  record.size_bytes = kPayload + length + 1;
  if (bytes.size() < record.size_bytes || bytes[record.size_bytes - 1] != '\n') return std::nullopt;
  record.payload = bytes.substr(kPayload, length);
  if (hash_bytes(bytes.substr(kChecked, kHashDigits + 1 + length)) != checksum) return std::nullopt;
  return record;
}

std::filesystem::path segment_path(const std::filesystem::path& folder, uint32_t segment) {
  return folder / fmt::format("events-{:06}.log", segment);
}

std::vector<uint32_t> list_segments(const std::filesystem::path& folder) {
  std::vector<uint32_t> segments;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    uint32_t number = 0;
    constexpr size_t kPrefix = 7;
    if (!name.starts_with("events-")) continue;
    std::from_chars(name.data() + kPrefix, name.data() + name.size(), number);
    if (number > 0 && entry.path() == segment_path(folder, number)) segments.push_back(number);
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

}  // namespace lemur
