#include "lemur/input/json_lines_reader.h"

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

}  // namespace

JsonLinesReader::JsonLinesReader(TextSource source, Layout layout, JsonPaths& paths,
                                 size_t max_record_bytes)
    : buffer_(std::move(source)),
      record_(paths),
      layout_(layout),
      max_record_bytes_(max_record_bytes) {}

bool JsonLinesReader::next() {
  consume(record_bytes_);
  record_bytes_ = 0;
  return layout_ == Layout::kLines ? next_line() : next_element();
}

bool JsonLinesReader::next_line() {
  int64_t blanks = 0;
  while (true) {
    const std::string_view line = read_line();
    if (line.empty()) return false;
    if (line.find_first_not_of(kBlanks) != std::string_view::npos) break;
    consume(line.size());
    ++blanks;
  }
  blank_lines_ += blanks;
  line_ = passed_.count() + 1;
  std::string_view line = read_line();
  record_bytes_ = line.size();
  if (line.ends_with('\n')) line.remove_suffix(1);
  const size_t behind = line.find_first_not_of(kBlanks, parse(line, true));
  if (behind != std::string_view::npos)
    refuse(behind, fmt::format("found '{}' behind the object", shown(line.substr(behind, 20))));
  return true;
}

/// Returns the line at the front of the buffer with its end; empty at the end of the file.
std::string_view JsonLinesReader::read_line() {
  while (true) {
    const size_t end = buffer_.text().find('\n');
    if (end != std::string_view::npos) return buffer_.text().substr(0, end + 1);
    if (is_end_) return buffer_.text();
    read_more();
  }
}

bool JsonLinesReader::next_element() {
  std::string_view text = skip_blanks();
  if (place_ == Place::kBegin) {
    place_ = text.starts_with('[') ? Place::kFirstElement : Place::kObjects;
    if (place_ == Place::kFirstElement) {
      consume(1);
      text = skip_blanks();
    }
  }
  if (place_ != Place::kObjects && !next_of_array()) return false;
  text = skip_blanks();
  if (text.empty()) {
    if (place_ == Place::kObjects) return false;
    refuse(0, "the file ends within the array");
  }
  line_ = passed_.count() + 1;
  while ((record_bytes_ = parse(buffer_.text(), is_end_)) == 0) read_more();
  return true;
}

/// Goes to the array's next element; false behind its end.
bool JsonLinesReader::next_of_array() {
  std::string_view text = skip_blanks();
  if (place_ != Place::kBehindArray && text.starts_with(']')) {
    place_ = Place::kBehindArray;
    consume(1);
    text = skip_blanks();
  }
  if (place_ == Place::kBehindArray) {
    if (!text.empty())
      refuse(0, fmt::format("found '{}' behind the array", shown(text.substr(0, 20))));
    return false;
  }
  if (place_ == Place::kElements) {
    if (text.empty()) refuse(0, "the file ends within the array");
    if (!text.starts_with(','))
      refuse(0, fmt::format("found '{}'; expected ',' or ']'", shown(text.substr(0, 20))));
    consume(1);
  }
  place_ = Place::kElements;
  return true;
}

/// Drops blanks and returns the text behind them; empty at the end of the file.
std::string_view JsonLinesReader::skip_blanks() {
  while (true) {
    const size_t first = buffer_.text().find_first_not_of(kBlanks);
    consume(std::min(first, buffer_.text().size()));
    if (first != std::string_view::npos || is_end_) return buffer_.text();
    read_more();
  }
}

size_t JsonLinesReader::parse(std::string_view text, bool is_end) {
  try {
    return record_.parse(text, is_end);
  } catch (const JsonFault& fault) {
    refuse(fault.position, fault.what);
  }
}

void JsonLinesReader::read_more() {
  if (buffer_.text().size() > max_record_bytes_)
    refuse(0, fmt::format("an object of more than {} bytes", max_record_bytes_));
  is_end_ = !buffer_.more();
}

void JsonLinesReader::consume(size_t bytes) {
  passed_.add(buffer_.text().substr(0, bytes));
  buffer_.consume(bytes);
}

void JsonLinesReader::refuse(size_t position, const std::string& what) const {
  LineCounter lines = passed_;
  lines.add(buffer_.text().substr(0, position));
  fail<DataError>("input", "{}: line {}: {}", buffer_.name(), lines.count() + 1, what);
}

}  // namespace lemur
