// Answers ranking requests with the newest published model: queue, batches, hot swap.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lemur/model/representation.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/live_past.h"
#include "lemur/serving/ranking_backend.h"
#include "lemur/serving/scorer.h"
#include "lemur/serving/serving_observer.h"
#include "lemur/serving/snapshot.h"

namespace lemur {

struct PredictorOptions {
  std::string model_name = "lemur";
  int64_t max_queue = 256;             ///< requests that may wait; more are refused
  int64_t max_batch_documents = 2048;  ///< scored in one pass, but always one whole request
  double batch_wait_ms = 0;            ///< how long a batch waits for further requests
  int64_t max_encoded = 32;            ///< documents of a request that are encoded for it
  size_t recorded_requests = 4;        ///< kept to warm the next model with
};

/// One thread scores, on as many cores as LibTorch is set to. A model is published by one exchange
/// of a pointer; what is under way ends with the model it began with. All members may be called
/// from any thread. Catalogue and observer must outlive it.
class Predictor : public RankBackend {
 public:
  Predictor(const Catalogue& catalogue, PredictorOptions options, ServingObserver& observer);
  /// Answers what waits, as overloaded.
  ~Predictor() override;

  /// Encodes with the model what requests needed of late, and answers recorded requests with it, on
  /// the calling thread, so that its first real request finds pages and caches warm. Throws what
  /// scoring throws.
  void warm(Snapshot& snapshot);

  /// Makes it the model. The one before is freed here, once nothing uses it.
  void publish(std::shared_ptr<Snapshot> snapshot);

  /// Notes that a newer model could not be loaded.
  void report_load_failure(const std::string& error);

  /// Adds what happened to histories and counters. Returns false, and adds nothing, where the event
  /// names an action that the schema lacks.
  bool learn(const FeedbackEvent& event);

  const RankSchema& schema() const override { return schema_; }
  BackendStatus status() const override;
  void rank(RankRequest request, std::function<void(RankResult)> done) override;
  void embed(EmbedRequest request, std::function<void(EmbedResult)> done) override;
  std::optional<DocumentFacts> document(std::string_view id) const override;
  std::optional<std::vector<HistoryItem>> history(std::string_view user, std::string_view name,
                                                  size_t limit) const override;
  std::optional<std::vector<uint8_t>> image(std::string_view id,
                                            std::string_view field) const override;
  RankExamples examples(size_t count) const override;

 private:
  using Clock = std::chrono::steady_clock;
  struct RankJob {
    RankRequest request;
    std::function<void(RankResult)> done;
    Clock::time_point queued_at;
  };
  struct EmbedJob {
    EmbedRequest request;
    std::function<void(EmbedResult)> done;
  };
  template <typename Job>
  void enqueue(std::string_view what, std::deque<Job>& waiting, Job job);
  void run();
  std::vector<RankJob> take_batch(std::unique_lock<std::mutex>& lock);
  void score(std::vector<RankJob> jobs);
  std::vector<RankResult> score_together(Snapshot& snapshot, std::vector<RankJob>& jobs);
  RankResult score_alone(Snapshot& snapshot, const RankRequest& request);
  RankFailure blame(Snapshot& snapshot, const RankRequest& request, const NotFinite& error);
  void embed_now(EmbedJob job);
  void record(RankRequest request);
  std::shared_ptr<Snapshot> snapshot() const;
  RankFailure overloaded() const;

  const Catalogue& catalogue_;
  const PredictorOptions options_;
  ServingObserver& observer_;
  LivePast past_;
  RankSchema schema_;
  RecentContent recent_;
  Scorer scorer_;  // of the scoring thread

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<RankJob> ranks_;
  std::deque<EmbedJob> embeds_;
  std::deque<std::shared_ptr<const RankRequest>> recorded_;
  std::shared_ptr<Snapshot> snapshot_;
  std::string load_error_;
  int64_t load_failures_ = 0;
  double coverage_ = 0;
  RepresentationHealth health_;
  double seconds_per_request_ = 0.01;  // smoothed, for Retry-After
  bool is_closing_ = false;
  std::thread worker_;
};

/// Returns requests as they were logged: the store's newest ones of up to `count`, newest last,
/// each whole and at the time of its first impression.
std::vector<RankRequest> logged_requests(const Catalogue& catalogue, size_t count);

}  // namespace lemur
