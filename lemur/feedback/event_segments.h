// The files of the event log: names, records, and what of a file is whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

/// A place between two records. Ordered as the log is.
struct LogPosition {
  uint32_t segment = 1;
  uint64_t offset = 0;
  auto operator<=>(const LogPosition&) const = default;
};

/// One record: a line "<length> <checksum> <key> <payload>\n", all three numbers in hexadecimal of
/// fixed width. `length` is the payload's, the checksum is XXH3 of "<key> <payload>".
struct LogRecord {
  uint64_t key = 0;          ///< hash of the event's ID
  std::string_view payload;  ///< JSON
  size_t size_bytes = 0;     ///< of the whole line
};

void append_record(std::string& out, uint64_t key, std::string_view payload);

/// Returns the record at the front of `bytes`; nothing where there is no whole one.
std::optional<LogRecord> read_record(std::string_view bytes);

/// Returns "events-000001.log" in the folder.
std::filesystem::path segment_path(const std::filesystem::path& folder, uint32_t segment);

/// Returns the numbers of the segments that exist, ascending.
std::vector<uint32_t> list_segments(const std::filesystem::path& folder);

}  // namespace lemur
