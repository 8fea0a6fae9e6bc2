// Requests and answers as handlers see them: no library of HTTP.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lemur {

struct HttpRequest {
  std::string id;      ///< the client's X-Request-Id or a new one
  std::string method;  ///< upper case as sent
  std::string path;    ///< as sent, up to '?', percent-encoded
  std::string query;   ///< what follows '?', percent-encoded
  std::string content_type;
  std::string body;
};

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";  ///< a literal
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view route = "none";  ///< a literal: names the handler in the metrics
};

/// Returns {"error": {"code", "message", "field"}, "request": id}; without "field" where it is
/// empty.
HttpAnswer error_answer(int status, std::string_view code, std::string_view message,
                        std::string_view request_id, std::string_view field = {});

/// The right to answer one request, once, from any thread; copies share it. Later calls do nothing.
/// When the last copy goes without a call, the answer is 500.
class Responder {
 public:
  /// `send` is called exactly once.
  Responder(std::string request_id, std::function<void(HttpAnswer)> send);

  void operator()(HttpAnswer answer) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Decodes %XX. Returns false for a broken escape; a NUL counts as one.
bool percent_decode(std::string_view text, std::string& decoded);

}  // namespace lemur
