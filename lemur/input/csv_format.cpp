#include "lemur/input/csv_format.h"

#include "lemur/base/error.h"

namespace lemur {
namespace {

char one_character(const char* key, const std::string& text) {
  const bool is_one = text.size() == 1 && static_cast<unsigned char>(text[0]) < 0x80;
  if (!is_one || text[0] == '\n' || text[0] == '\r' || text[0] == '\0')
    fail<InvalidArgument>("input", "data.csv {} = '{}': expected one ASCII character, no line end",
                          key, text);
  return text[0];
}

}  // namespace

CsvFormat csv_format(const CsvOptions& options, bool is_tsv) {
  CsvFormat format;
  format.encoding = options.encoding;
  format.null_text = options.null_text;
  format.quote.reset();
  if (is_tsv) format.delimiter = '\t';
  if (!options.delimiter.empty()) format.delimiter = one_character("delimiter", options.delimiter);
  if (!options.quote.empty()) {
    format.quote = one_character("quote", options.quote);
    // Another quote is doubled like the usual one where no escape is named.
    const bool is_default = options.escape == CsvOptions().escape || options.escape.empty();
    format.escape = is_default ? *format.quote : one_character("escape", options.escape);
  }
  if (format.delimiter && format.quote &&
      (*format.delimiter == *format.quote || *format.delimiter == format.escape))
    fail<InvalidArgument>("input", "data.csv delimiter = '{}' is its quote or escape as well",
                          *format.delimiter);
  return format;
}

}  // namespace lemur
