#include "lemur/http/http_front.h"

#include "lemur/http/access_log.h"
#include "lemur/http/bearer_token.h"
#include "lemur/http/http_api.h"

namespace lemur {

HttpFront::HttpFront(RankBackend& backend, ServingMetrics& metrics, const HttpFrontOptions& options)
    : access_log_(std::make_unique<AccessLog>(options.access_log)) {
  HttpServerOptions server = options.server;
  if (!options.token_file.empty()) server.token = read_token_file(options.token_file);
  server.open_paths = HttpApi::open_paths();
  server.completed = [&metrics, log = access_log_.get()](const HttpRecord& record) {
    metrics.request_completed(record.route, record.status, record.milliseconds / 1000);
    log->write(record);
  };
  if (!options.feedback_folder.empty())
    feedback_ = std::make_unique<FeedbackLog>(FeedbackLogOptions{.folder = options.feedback_folder},
                                              options.on_feedback);
  api_ = std::make_unique<HttpApi>(backend, feedback_.get(), metrics, options.limits);
  server_ = std::make_unique<HttpServer>(
      std::move(server), [api = api_.get()](HttpRequest request, const Responder& responder) {
        api->handle(std::move(request), responder);
      });
}

HttpFront::~HttpFront() = default;

uint16_t HttpFront::port() const { return server_->port(); }

LogRecovery HttpFront::feedback_recovery() const {
  return feedback_ ? feedback_->recovery() : LogRecovery{};
}

void HttpFront::drain(std::chrono::milliseconds limit) { server_->drain(limit); }

}  // namespace lemur
