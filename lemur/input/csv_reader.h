// Reads CSV as RFC 4180 writes it, row by row; what it does not allow is refused with its line.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/input/csv_format.h"
#include "lemur/input/record_buffer.h"

namespace lemur {

struct CsvField {
  std::string_view text;
  bool is_null = false;  ///< unquoted and empty, or unquoted and the format's null_text
};

/// The rows of one CSV file. The first line is the header, and every row has as many fields. A
/// field that begins with a quote goes to the closing quote, behind which it must end; a quote
/// elsewhere is text. Lines end with \n, \r\n or \r, also mixed; inside of quotes they are text.
/// Nothing is trimmed, commented out, skipped or guessed from a sample. Blank lines at the end are
/// ignored; before, they are skipped and counted, of a single column a row of NULL each. (A reader
/// of its own: libcsv tells no line and knows no escape but the doubled quote.)
/// Memory is that of one row. Not thread-safe.
class CsvReader {
 public:
  /// Reads the header. Throws DataError for an empty file, a header with a name twice, and one
  /// whose delimiter is open; InvalidArgument for an encoding that is not known.
  CsvReader(TextSource source, const CsvFormat& format, size_t max_row_bytes = size_t{256} << 20);

  /// The names as written; some may be empty.
  const std::vector<std::string>& header() const { return header_; }

  /// Goes to the next row; false at the end. Throws DataError with file and line for a row of
  /// another width, the header again, a quote that is not closed or closed inside of a field, a row
  /// of more than `max_row_bytes`, and what TextSource throws.
  bool next();

  /// The row's fields, valid until next(). Requires: next() was true.
  std::span<const CsvField> fields() const { return fields_; }

  /// Line where the row begins, from 1.
  int64_t line() const { return line_; }

  /// Blank lines skipped so far.
  int64_t blank_lines() const { return blank_lines_; }

 private:
  /// A field as it stands in the buffer.
  struct Piece {
    size_t begin = 0, length = 0;
    bool is_quoted = false, has_escape = false;
  };

  void read_header();
  void choose_delimiter();
  bool read_record();
  size_t scan_record(std::string_view text);
  size_t scan_quoted(std::string_view text, size_t begin);
  size_t find_closing(std::string_view text, size_t begin, bool& has_escape) const;
  int64_t skip_blank_lines();
  void take_fields();
  std::string_view unescaped(std::string_view text);
  void check_row() const;
  [[noreturn]] void refuse(int64_t line, const std::string& what) const;

  RecordBuffer buffer_;
  CsvFormat format_;
  size_t max_row_bytes_;
  std::array<bool, 256> ends_field_{};
  std::vector<std::string> header_;
  std::vector<Piece> pieces_;
  std::vector<CsvField> fields_;
  std::string scratch_;      // fields without their escapes
  size_t record_bytes_ = 0;  // of the current record in the buffer, with its line end
  int64_t line_ = 0, next_line_ = 1;
  int64_t lines_in_quotes_ = 0;  // line ends inside of the record
  int64_t open_line_ = 0;        // of a quote whose end is not yet in the buffer; 0: none
  int64_t blank_lines_ = 0, null_rows_ = 0;  // null_rows_: blank lines of a single column, to come
  bool is_delimiter_open_ = false;           // it was not given, and the header shows none
  bool is_end_ = false;                      // the buffer holds the file's end
};

}  // namespace lemur
