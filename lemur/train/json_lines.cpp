#include "lemur/train/json_lines.h"

#include <cerrno>
#include <fstream>
#include <sstream>

#include "lemur/base/folder.h"

namespace lemur {

void drop_lines_after(const std::filesystem::path& file, int64_t step) {
  if (!std::filesystem::exists(file)) return;
  std::istringstream in(read_file(file));
  std::string kept, line;
  while (std::getline(in, line)) {
    auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.value("step", step + 1) <= step) kept += line + '\n';
  }
  write_file_atomically(file, kept);
}

void append_lines(const std::filesystem::path& file, const std::string& lines) {
  errno = 0;
  std::ofstream out(file, std::ios::binary | std::ios::app);
  out << lines;
  out.close();
  if (!out) fail_write(file);
}

}  // namespace lemur
