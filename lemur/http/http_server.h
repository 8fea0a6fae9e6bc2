// An HTTP/1.1 server: limits, identity, order at the end. The only file that knows libmicrohttpd.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/http/http_message.h"

namespace lemur {

/// What became of a request; views live for the call.
struct HttpRecord {
  std::string_view request_id, method, target, remote, route;
  int status = 0;  ///< 0: the connection ended before an answer
  uint64_t answer_bytes = 0;
  double milliseconds = 0;  ///< from the request line to the last byte of the answer
};

struct HttpServerOptions {
  std::string address = "127.0.0.1:8080";  ///< port 0: a free one
  /// Clients must send "Authorization: Bearer <token>"; empty: nobody is asked, which only a
  /// loopback address may do.
  std::string token = {};
  std::vector<std::string> open_paths = {};  ///< paths that need no token
  /// Names of this server beside those of loopback. Without a token, requests whose Host is none of
  /// them are refused: a browser sends such ones for a page elsewhere whose name was made to lead
  /// here.
  std::vector<std::string> host_names = {};
  std::function<void(const HttpRecord&)> completed = {};  ///< told of each request; any thread
  size_t max_body_bytes = 8 << 20;
  std::chrono::milliseconds read_limit{10'000};   ///< for a whole request, from its beginning
  std::chrono::milliseconds write_limit{30'000};  ///< for a client to read the whole answer
  std::chrono::milliseconds idle_limit{60'000};   ///< from an answer to the next whole head
  int threads = 2;
  int max_connections = 1024;  ///< more are closed at once
};

/// Listens from construction to drain(). Thread-safe.
class HttpServer {
 public:
  /// Called on a server's thread with each whole request; must not block for long. What it throws
  /// becomes 500.
  using Handler = std::function<void(HttpRequest, const Responder&)>;

  /// Throws InvalidArgument for a wrong address, or one beyond loopback without a token; DataError
  /// when the address cannot be bound.
  HttpServer(HttpServerOptions options, Handler handler);
  /// Drains without patience.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;

  /// Closes new connections at once, answers new requests on old ones with 503, waits for those
  /// under way, for `limit` at most (what is left is answered 503), and ends. Later calls do
  /// nothing.
  void drain(std::chrono::milliseconds limit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
