// Feeds any bytes to the CSV reader in several dialects; what is read and written again is the
// same.
#include <vector>

#include "fuzz/text_table_fuzz.h"
#include "lemur/input/csv_reader.h"

namespace lemur {
namespace {

using Row = std::vector<std::string>;

bool read(const std::string& bytes, const CsvFormat& format, std::vector<Row>& rows) {
  return is_read([&] {
    CsvReader reader(text_of(bytes, format.encoding), format);
    rows.push_back(reader.header());
    int64_t line = 1;
    while (reader.next()) {
      require(reader.fields().size() == reader.header().size() && reader.line() > line);
      line = reader.line();
      rows.emplace_back();
      for (const CsvField& field : reader.fields()) {
        require(!field.is_null || field.text.empty() || field.text == format.null_text);
        rows.back().emplace_back(field.text);
      }
    }
  });
}

std::string written(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      text += i == 0 ? "\"" : ",\"";
      for (const char c : row[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += i + 1 == row.size() ? "\"\n" : "\"";
    }
  return text;
}

void fuzz(const std::string& bytes) {
  std::vector<Row> rows, again;
  CsvFormat comma;
  comma.delimiter = ',';
  if (read(bytes, {}, rows)) {
    require(read(written(rows), comma, again));
    require(rows == again);
  }
  CsvFormat other;
  other.escape = '\\';
  other.null_text = "NA";
  other.encoding = "windows-1252";
  rows.clear();
  read(bytes, other, rows);
  other.quote.reset();
  other.delimiter = '\t';
  read(bytes, other, rows);
}

}  // namespace
}  // namespace lemur

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lemur::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
