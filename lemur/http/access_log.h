// One line of JSON per request.
#pragma once

#include <string>

#include "lemur/http/http_server.h"

namespace lemur {

/// Appends {"time", "id", "method", "path", "status", "bytes", "ms", "remote"} lines. Thread-safe.
class AccessLog {
 public:
  /// `path`: a file, "-" for stderr, or empty for none. Throws DataError when it cannot be opened.
  explicit AccessLog(const std::string& path);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void write(const HttpRecord& record);

 private:
  int file_ = -1;
  bool is_own_ = false;
};

}  // namespace lemur
