// How a CSV file is written.
#pragma once

#include <optional>
#include <string>

#include "lemur/base/options.h"

namespace lemur {

struct CsvFormat {
  std::optional<char> delimiter;  ///< nothing: that one of , ; tab | which the header line holds
  std::optional<char> quote = '"';
  char escape = '"';  ///< before a quote inside of quotes; the quote itself: doubled (RFC 4180)
  std::string encoding = "utf-8";
  std::string null_text;  ///< unquoted text that is NULL, beside the empty field
};

/// Returns what the options say; `is_tsv`: a delimiter that is not given is a tab. Throws
/// InvalidArgument for a delimiter, quote or escape that is not one ASCII character, or two that
/// are the same.
CsvFormat csv_format(const CsvOptions& options, bool is_tsv);

}  // namespace lemur
