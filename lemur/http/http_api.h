// The routes: what the server answers to which request.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/feedback/feedback_log.h"
#include "lemur/http/http_message.h"
#include "lemur/http/rank_json.h"
#include "lemur/http/serving_metrics.h"
#include "lemur/serving/ranking_backend.h"

namespace lemur {

/// Answers requests by means of a backend, a log and metrics, which must outlive it and its
/// requests. All members may be called from any thread.
class HttpApi {
 public:
  /// `feedback` may be null: POST /v1/feedback is then answered 503.
  HttpApi(RankBackend& backend, FeedbackLog* feedback, ServingMetrics& metrics,
          RequestLimits limits = {});
  /// Waits until the backend and the log have let go of every request.
  ~HttpApi();
  HttpApi(const HttpApi&) = delete;
  HttpApi& operator=(const HttpApi&) = delete;

  /// Answers a request, at once or from another thread. Throws nothing.
  void handle(HttpRequest request, const Responder& responder);

  /// Paths that say nothing worth a token: whether the server lives, and the page, which asks for
  /// one before it shows data.
  static std::vector<std::string> open_paths() {
    return {"/", "/favicon.ico", "/v2/health/live", "/v2/health/ready"};
  }

 private:
  struct Call;
  struct Route;
  static const std::vector<Route>& routes();

  void dispatch(Call& call);
  void rank(Call& call);
  void embed(Call& call);
  void feedback(Call& call);
  void document(Call& call);
  void image(Call& call);
  void history(Call& call);
  void examples(Call& call);
  void status(Call& call);
  void page(Call& call);
  void favicon(Call& call);
  void live(Call& call);
  void ready(Call& call);
  void server_metadata(Call& call);
  void model_metadata(Call& call);
  void model_ready(Call& call);
  void infer(Call& call);
  void metrics(Call& call);
  void openapi(Call& call);
  std::shared_ptr<void> pass();
  void check_model_name(const Call& call) const;

  RankBackend& backend_;
  FeedbackLog* feedback_;
  ServingMetrics& metrics_;
  const RequestLimits limits_;
  std::mutex mutex_;  // guards num_calls_
  std::condition_variable no_calls_;
  int64_t num_calls_ = 0;
};

/// Returns docs/openapi.json.
std::string_view openapi_document();

}  // namespace lemur
