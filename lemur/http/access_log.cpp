#include "lemur/http/access_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lemur/base/error.h"
#include "lemur/http/json_text.h"

namespace lemur {

AccessLog::AccessLog(const std::string& path) {
  if (path.empty()) return;
  is_own_ = path != "-";
  file_ = is_own_ ? ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644)
                  : STDERR_FILENO;
  if (file_ < 0)
    fail<DataError>("http", "cannot open the access log {}: {}", path, std::strerror(errno));
}

AccessLog::~AccessLog() {
  if (is_own_) ::close(file_);
}

void AccessLog::write(const HttpRecord& record) {
  if (file_ < 0) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  std::string line =
      fmt::format(R"({{"time":"{:%FT%T}.{:03}Z","id":)",
                  fmt::gmtime(static_cast<std::time_t>(milliseconds / 1000)), milliseconds % 1000);
  append_json(line, record.request_id);
  line += R"(,"method":)";
  append_json(line, record.method);
  line += R"(,"path":)";
  append_json(line, record.target);
  line += fmt::format(R"(,"status":{},"bytes":{},"ms":{:.3f},"remote":)", record.status,
                      record.answer_bytes, record.milliseconds);
  append_json(line, record.remote);
  line += "}\n";
  // One write is one line: the file is opened for appending.
  [[maybe_unused]] const ssize_t written = ::write(file_, line.data(), line.size());
}

}  // namespace lemur
