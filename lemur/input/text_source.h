// The text of a file as UTF-8, whatever it is written in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/input/byte_source.h"

namespace lemur {

/// Gives the text of a file in blocks of whole characters: UTF-8 without its byte order mark and
/// without NUL. Line ends stay as they are. Not thread-safe.
class TextSource {
 public:
  /// Opens `file`. Its encoding is the one that a byte order mark of UTF-8 or UTF-16 tells, else
  /// `encoding`, a name that iconv(3) knows. Throws InvalidArgument for one that it does not know,
  /// DataError for a file that cannot be read.
  TextSource(const std::filesystem::path& file, const std::string& encoding);

  /// The same over any bytes; `name` stands for the file in messages.
  TextSource(std::unique_ptr<ByteSource> bytes, std::string name, const std::string& encoding);
  ~TextSource();
  TextSource(TextSource&&) noexcept;

  const std::string& name() const;

  /// Appends the next block to `out`; false at the end, where nothing is appended. Throws DataError
  /// with file and line for bytes that are no text in the encoding and for NUL, and what
  /// ByteSource::read throws.
  bool append_to(std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Counts the line ends \n, \r\n and \r in a text that is read in parts.
class LineCounter {
 public:
  void add(std::string_view text);
  int64_t count() const { return count_; }

 private:
  int64_t count_ = 0;
  bool after_return_ = false;
};

/// Returns `text` for a message: on one line, of at most 60 bytes, whole characters.
std::string shown(std::string_view text);

}  // namespace lemur
