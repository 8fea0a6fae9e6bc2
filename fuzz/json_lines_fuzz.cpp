// Feeds any bytes to the reader of JSON, as lines and as a document; what it takes, another parser
// takes.
#include <nlohmann/json.hpp>

#include "fuzz/text_table_fuzz.h"
#include "lemur/input/json_lines_reader.h"

namespace lemur {
namespace {

using Layout = JsonLinesReader::Layout;

size_t count_records(const std::string& bytes, Layout layout, bool& is_good) {
  JsonPaths paths;
  size_t records = 0;
  is_good = is_read([&] {
    JsonLinesReader reader(text_of(bytes), layout, paths);
    while (reader.next()) {
      ++records;
      for (const JsonMember& member : reader.record().members()) {
        require(member.path < paths.size());
        require(reader.record().items(member).size() == member.num_items);
      }
    }
  });
  return records;
}

void fuzz(const std::string& bytes) {
  bool is_good = false, is_good_document = false;
  const size_t lines = count_records(bytes, Layout::kLines, is_good);
  const size_t objects = count_records(bytes, Layout::kDocument, is_good_document);
  if (is_good) require(is_good_document && lines == objects);
  if (!is_good_document || objects != 1 || bytes.starts_with("\xfe\xff") ||
      bytes.starts_with("\xff\xfe"))
    return;
  // A number beyond doubles is the one thing that we take and it does not.
  if (bytes.find_first_of("eE") == std::string::npos && bytes.size() < 300)
    require(nlohmann::json::accept(bytes));
}

}  // namespace
}  // namespace lemur

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lemur::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
