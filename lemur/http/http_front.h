// The whole front of a server: listens, parses, asks a backend, keeps feedback, counts, logs.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "lemur/feedback/feedback_log.h"
#include "lemur/http/http_server.h"
#include "lemur/http/rank_json.h"
#include "lemur/http/serving_metrics.h"
#include "lemur/serving/ranking_backend.h"

namespace lemur {

class AccessLog;
class HttpApi;

struct HttpFrontOptions {
  HttpServerOptions server = {};  ///< token, open_paths and completed are the front's to set
  RequestLimits limits = {};
  std::string token_file = {};                 ///< empty: no token is asked for
  std::filesystem::path feedback_folder = {};  ///< of the event log; empty: none is kept
  std::function<void(const FeedbackEvent&)> on_feedback = {};  ///< told of each committed event
  std::string access_log = "-";                                ///< a file; "-": stderr; empty: none
};

/// Serves from construction to drain(). Thread-safe.
class HttpFront {
 public:
  /// Backend and metrics must outlive the front. Throws InvalidArgument for wrong options,
  /// DataError where address or files cannot be used.
  HttpFront(RankBackend& backend, ServingMetrics& metrics, const HttpFrontOptions& options);
  ~HttpFront();

  uint16_t port() const;

  /// Returns what was found when the event log was opened; zeros without one.
  LogRecovery feedback_recovery() const;

  /// Ends as HttpServer::drain says; feedback that was taken is committed.
  void drain(std::chrono::milliseconds limit);

 private:
  // In this order: what is destroyed first may still be called by what comes before it.
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<FeedbackLog> feedback_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace lemur
