#include "lemur/input/csv_reader.h"

#include <algorithm>
#include <unordered_set>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr std::string_view kDelimiters = ",;\t|";
constexpr size_t kNone = std::string_view::npos;

std::string name_of(char delimiter) {
  return delimiter == '\t' ? "tab" : fmt::format("'{}'", delimiter);
}

}  // namespace

CsvReader::CsvReader(TextSource source, const CsvFormat& format, size_t max_row_bytes)
    : buffer_(std::move(source)), format_(format), max_row_bytes_(max_row_bytes) {
  if (!buffer_.more()) fail<DataError>("input", "{} is empty", buffer_.name());
  if (!format_.delimiter) choose_delimiter();
  for (const char c : {*format_.delimiter, '\n', '\r'})
    ends_field_[static_cast<unsigned char>(c)] = true;
  read_header();
}

void CsvReader::refuse(int64_t line, const std::string& what) const {
  fail<DataError>("input", "{}: line {} {}", buffer_.name(), line, what);
}

void CsvReader::choose_delimiter() {
  std::array<size_t, kDelimiters.size()> counts{};
  bool begins_field = true;
  for (size_t at = 0;; ++at) {
    while (at >= buffer_.text().size() && !is_end_) is_end_ = !buffer_.more();
    const std::string_view text = buffer_.text();
    if (at >= text.size() || text[at] == '\n' || text[at] == '\r') break;
    if (begins_field && format_.quote && text[at] == *format_.quote) {
      bool has_escape = false;
      const size_t closing = find_closing(text, at + 1, has_escape);
      if (closing == kNone && !is_end_ && text.size() <= max_row_bytes_) {
        is_end_ = !buffer_.more();
        --at;
        continue;
      }
      if (closing == kNone) break;  // read_header() says what is wrong
      at = closing;
      begins_field = false;
      continue;
    }
    const size_t found = kDelimiters.find(text[at]);
    begins_field = found != kNone;
    if (begins_field) ++counts[found];
  }
  const auto most = std::max_element(counts.begin(), counts.end());
  if (*most > 0 && std::count(counts.begin(), counts.end(), *most) > 1) {
    std::string found;
    for (size_t i = 0; i < counts.size(); ++i)
      if (counts[i] == *most) found += (found.empty() ? "" : " and ") + name_of(kDelimiters[i]);
    refuse(1, fmt::format("(the header) holds {} equally often: name one by data.csv delimiter",
                          found));
  }
  format_.delimiter = kDelimiters[static_cast<size_t>(most - counts.begin())];
  is_delimiter_open_ = *most == 0;
}

void CsvReader::read_header() {
  const char first = buffer_.text().front();
  if (first == '\n' || first == '\r') refuse(1, "is blank; expected the header");
  read_record();
  std::unordered_set<std::string_view> names;
  for (const CsvField& field : fields_) {
    if (!field.text.empty() && !names.insert(field.text).second)
      refuse(1, fmt::format("(the header) has the column '{}' twice", shown(field.text)));
    header_.emplace_back(field.text);
  }
}

bool CsvReader::next() {
  buffer_.consume(record_bytes_);
  record_bytes_ = 0;
  if (null_rows_ == 0) {
    const int64_t blanks = skip_blank_lines();
    if (buffer_.text().empty()) return false;
    if (header_.size() > 1)
      blank_lines_ += blanks;
    else
      null_rows_ = blanks;
  }
  if (null_rows_ > 0) {
    line_ = next_line_ - null_rows_--;
    fields_.assign(1, CsvField{{}, true});
    return true;
  }
  read_record();
  check_row();
  return true;
}

int64_t CsvReader::skip_blank_lines() {
  int64_t blanks = 0;
  while (true) {
    while (buffer_.text().size() < 2 && !is_end_) is_end_ = !buffer_.more();
    const std::string_view text = buffer_.text();
    if (!text.starts_with('\n') && !text.starts_with('\r')) break;
    buffer_.consume(text.starts_with("\r\n") ? 2 : 1);
    ++blanks;
  }
  next_line_ += blanks;
  return blanks;
}

bool CsvReader::read_record() {
  line_ = next_line_;
  while ((record_bytes_ = scan_record(buffer_.text())) == 0) {
    if (buffer_.text().size() > max_row_bytes_)
      refuse(line_, open_line_ > 0
                        ? fmt::format("begins a row of more than {} bytes: the quote that is "
                                      "opened in line {} is not closed",
                                      max_row_bytes_, open_line_)
                        : fmt::format("begins a row of more than {} bytes", max_row_bytes_));
    is_end_ = !buffer_.more();
  }
  next_line_ = line_ + lines_in_quotes_ + 1;
  take_fields();
  return true;
}

/// Cuts the record at the front of `text` into pieces and returns its length with the line end; 0
/// where more text is needed.
size_t CsvReader::scan_record(std::string_view text) {
  pieces_.clear();
  lines_in_quotes_ = 0;
  open_line_ = 0;
  size_t at = 0;
  while (true) {
    if (at < text.size() && format_.quote && text[at] == *format_.quote) {
      at = scan_quoted(text, at);
      if (at == kNone) return 0;
    } else {
      const size_t begin = at;
      while (at < text.size() && !ends_field_[static_cast<unsigned char>(text[at])]) ++at;
      pieces_.push_back({begin, at - begin});
    }
    if (at == text.size()) return is_end_ ? at : 0;
    if (text[at] == *format_.delimiter) {
      ++at;
      continue;
    }
    if (text[at] == '\n') return at + 1;
    if (at + 1 == text.size()) return is_end_ ? at + 1 : 0;
    return text[at + 1] == '\n' ? at + 2 : at + 1;
  }
}

/// Adds the field whose opening quote stands at `begin`; returns where it ends, kNone where more
/// text is needed.
size_t CsvReader::scan_quoted(std::string_view text, size_t begin) {
  const int64_t line = line_ + lines_in_quotes_;
  bool has_escape = false;
  const size_t closing = find_closing(text, begin + 1, has_escape);
  if (closing == kNone) {
    if (is_end_) refuse(line, "opens a quote that is not closed before the end of the file");
    open_line_ = line;
    return kNone;
  }
  const std::string_view inside = text.substr(begin + 1, closing - begin - 1);
  LineCounter lines;
  lines.add(inside);
  lines_in_quotes_ += lines.count();
  const size_t end = closing + 1;
  if (end < text.size() && !ends_field_[static_cast<unsigned char>(text[end])])
    refuse(line_ + lines_in_quotes_,
           fmt::format(
               "closes a quote inside of field {}, opened in line {}, before '{}'; expected "
               "{} or the line's end",
               pieces_.size() + 1, line, shown(text.substr(end, 20)), name_of(*format_.delimiter)));
  pieces_.push_back({begin + 1, inside.size(), true, has_escape});
  return end;
}

/// Returns the position of the quote that closes the field whose text begins at `begin`; kNone
/// where it is not in the text, or cannot be told yet from an escaped one.
size_t CsvReader::find_closing(std::string_view text, size_t begin, bool& has_escape) const {
  const char quote = *format_.quote, escape = format_.escape;
  const char either[] = {quote, escape};
  const std::string_view stops(either, quote == escape ? 1 : 2);
  for (size_t at = begin;; at += 2) {
    at = stops.size() == 1 ? text.find(quote, at) : text.find_first_of(stops, at);
    if (at == kNone) return kNone;
    if (quote != escape && text[at] == quote) return at;
    if (at + 1 == text.size()) return quote == escape && is_end_ ? at : kNone;
    if (quote == escape && text[at + 1] != quote) return at;
    has_escape = true;
  }
}

void CsvReader::take_fields() {
  const std::string_view text = buffer_.text();
  fields_.clear();
  scratch_.clear();
  scratch_.reserve(record_bytes_);  // the views into it stay
  for (const Piece& piece : pieces_) {
    const std::string_view field = text.substr(piece.begin, piece.length);
    if (piece.has_escape)
      fields_.push_back({unescaped(field), false});
    else
      fields_.push_back({field, !piece.is_quoted && (field.empty() || field == format_.null_text)});
  }
}

/// An escape goes before a quote and before itself; before anything else it is text.
std::string_view CsvReader::unescaped(std::string_view text) {
  const size_t begin = scratch_.size();
  for (size_t at = 0; at < text.size(); ++at) {
    const bool is_escape = text[at] == format_.escape && at + 1 < text.size() &&
                           (text[at + 1] == *format_.quote || text[at + 1] == format_.escape);
    scratch_ += text[is_escape ? ++at : at];
  }
  return std::string_view(scratch_).substr(begin);
}

void CsvReader::check_row() const {
  if (is_delimiter_open_ && !pieces_.front().is_quoted && fields_.size() == 1)
    if (const size_t at = fields_[0].text.find_first_of(kDelimiters); at != kNone)
      refuse(line_, fmt::format(
                        "has {} fields if {} is the delimiter; the header (line 1) has 1: name the "
                        "delimiter by data.csv delimiter, or quote the field",
                        1 + std::ranges::count(fields_[0].text, fields_[0].text[at]),
                        name_of(fields_[0].text[at])));
  if (fields_.size() != header_.size())
    refuse(line_, fmt::format("has {} fields; the header (line 1) has {} (delimiter {})",
                              fields_.size(), header_.size(), name_of(*format_.delimiter)));
  if (std::equal(fields_.begin(), fields_.end(), header_.begin(),
                 [](const CsvField& field, const std::string& name) { return field.text == name; }))
    refuse(line_, "is the header again");
}

}  // namespace lemur
