// Reads JSON objects one after another: lines, or the elements of an array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lemur/input/json_record.h"
#include "lemur/input/record_buffer.h"

namespace lemur {

/// The records of one file. Blank lines are skipped and counted. Memory is that of one record. Not
/// thread-safe.
class JsonLinesReader {
 public:
  enum class Layout {
    kLines,    ///< one object per line (.jsonl, .ndjson)
    kDocument  ///< an array of objects, or objects with blanks between them (.json)
  };

  /// `paths` must outlive the reader; several may share it, one after another.
  JsonLinesReader(TextSource source, Layout layout, JsonPaths& paths,
                  size_t max_record_bytes = size_t{256} << 20);

  /// Goes to the next record; false at the end. Throws DataError with file and line for what
  /// JsonRecord refuses, for a record of more than `max_record_bytes`, what stands between records,
  /// and what TextSource throws.
  bool next();

  /// The record, valid until next(). Requires: next() was true.
  const JsonRecord& record() const { return record_; }

  /// Line where the record begins, from 1.
  int64_t line() const { return line_; }
  int64_t blank_lines() const { return blank_lines_; }

 private:
  bool next_line();
  bool next_element();
  bool next_of_array();
  size_t parse(std::string_view text, bool is_end);
  std::string_view read_line();
  std::string_view skip_blanks();
  void read_more();
  void consume(size_t bytes);
  [[noreturn]] void refuse(size_t position, const std::string& what) const;

  RecordBuffer buffer_;
  JsonRecord record_;
  Layout layout_;
  size_t max_record_bytes_;
  size_t record_bytes_ = 0;  // of the current record in the buffer, with what belongs to it
  LineCounter passed_;       // what has been consumed
  int64_t line_ = 0, blank_lines_ = 0;
  bool is_end_ = false;  // the buffer holds the file's end
  enum class Place { kBegin, kObjects, kFirstElement, kElements, kBehindArray };
  Place place_ = Place::kBegin;  // in a document
};

}  // namespace lemur
