// What the server counts, in the format of Prometheus.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lemur/serving/ranking_backend.h"
#include "lemur/serving/serving_observer.h"

namespace lemur {

/// Counters and histograms of one server. All members may be called from any thread.
/// docs/serving.md lists the names.
class ServingMetrics : public ServingObserver {
 public:
  ServingMetrics();
  ~ServingMetrics() override;

  void stage_took(ServingStage stage, double seconds) override;
  void batch_scored(int64_t requests, int64_t documents) override;
  void score_not_finite(bool by_request) override;
  void bank_looked_up(BankLookup result, int64_t documents) override;

  void request_completed(std::string_view route, int status, double seconds);
  /// Counts a request that was not answered as asked; `kind` is an error's code.
  void request_failed(std::string_view kind);
  void feedback_committed(size_t written, size_t duplicates);

  /// Returns all of it, with gauges of the backend's state as it is now.
  std::string text(const BackendStatus& status);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
