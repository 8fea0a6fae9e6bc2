#include "lemur/http/serving_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>

#include "lemur/simd/path.h"

namespace lemur {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                          0.025,  0.05,    0.1,    0.25,  0.5,    1,     2.5};
const Buckets kCounts = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
constexpr std::array<const char*, 4> kStages = {"queue", "prepare", "encode", "score"};
constexpr std::array<const char*, 3> kLookups = {"hit", "miss", "unknown_document"};

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

struct ServingMetrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("lemur_http_requests_total")
          .Help("Requests by route and status; status 0: the connection ended first.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds =
      prometheus::BuildHistogram()
          .Name("lemur_request_seconds")
          .Help("Time of a request by stage; 'total' is of a whole ranking, answer sent.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& errors =
      prometheus::BuildCounter()
          .Name("lemur_errors_total")
          .Help("Requests that were not answered as asked, by the error's code.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& lookups =
      prometheus::BuildCounter()
          .Name("lemur_bank_lookups_total")
          .Help("Documents looked up in the bank, by what was found.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& nonfinite =
      prometheus::BuildCounter()
          .Name("lemur_nonfinite_scores_total")
          .Help("Requests without an answer, as a number was not finite, by what is at fault.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& feedback =
      prometheus::BuildCounter()
          .Name("lemur_feedback_events_total")
          .Help("Feedback events acknowledged: written, or in the log already.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& load_failures =
      prometheus::BuildCounter()
          .Name("lemur_model_load_failures_total")
          .Help("Models that could not be loaded.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& version = prometheus::BuildGauge()
                                                       .Name("lemur_model_version_info")
                                                       .Help("1 for the model that answers.")
                                                       .Register(registry);
  prometheus::Histogram& batch_requests =
      histogram("lemur_batch_size", "Requests that were scored in one batch.", kCounts);
  prometheus::Histogram& batch_documents =
      histogram("lemur_batch_documents", "Documents that were scored in one batch.", kCounts);
  prometheus::Gauge& queue_depth = gauge("lemur_queue_depth", "Requests that wait.");
  prometheus::Gauge& ready = gauge("lemur_model_ready", "1 where a model answers.");
  prometheus::Gauge& model_age = gauge("lemur_model_age_seconds", "Since the model was loaded.");
  prometheus::Gauge& staleness =
      gauge("lemur_model_staleness_seconds", "Age of the newest event that the model has learned.");
  prometheus::Gauge& bank_rows = gauge("lemur_bank_rows", "Documents in the bank.");
  prometheus::Gauge& bank_coverage =
      gauge("lemur_bank_coverage_ratio", "Share of the store's documents that the bank has.");
  prometheus::Gauge& mean_cosine =
      gauge("lemur_representation_mean_cosine",
            "Of two random documents of the bank; near 1 the encoders have collapsed.");
  prometheus::Gauge& effective_rank =
      gauge("lemur_representation_effective_rank", "Directions that the bank's vectors use.");
  prometheus::Counter& feedback_written = feedback.Add({{"result", "written"}});
  prometheus::Counter& feedback_duplicates = feedback.Add({{"result", "duplicate"}});
  prometheus::Counter& nonfinite_by_request = nonfinite.Add({{"cause", "request"}});
  prometheus::Counter& nonfinite_by_model = nonfinite.Add({{"cause", "model"}});
  prometheus::Counter& failed_loads = load_failures.Add({});
  std::array<prometheus::Histogram*, 4> stages;
  std::array<prometheus::Counter*, 3> bank;
  prometheus::Histogram& total = seconds.Add({{"stage", "total"}}, kSeconds);
  std::mutex text_mutex;  // guards shown_version, and failed_loads against two readers
  std::string shown_version;
  prometheus::Gauge* shown = nullptr;

  Impl() {
    for (size_t i = 0; i < kStages.size(); ++i)
      stages[i] = &seconds.Add({{"stage", kStages[i]}}, kSeconds);
    prometheus::BuildGauge()
        .Name("lemur_cpu_path_info")
        .Help("1 for the instruction set that the loops run on.")
        .Register(registry)
        .Add({{"path", simd::path()}})
        .Set(1);
    for (size_t i = 0; i < kLookups.size(); ++i) bank[i] = &lookups.Add({{"result", kLookups[i]}});
  }
  prometheus::Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
  }
  prometheus::Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
  }
  void show_version(const BackendStatus& status) {
    if (status.model_version == shown_version && shown != nullptr) return;
    if (shown != nullptr) version.Remove(shown);
    shown = &version.Add({{"name", status.model_name}, {"version", status.model_version}});
    shown->Set(1);
    shown_version = status.model_version;
  }
};

ServingMetrics::ServingMetrics() : impl_(std::make_unique<Impl>()) {}
ServingMetrics::~ServingMetrics() = default;

void ServingMetrics::stage_took(ServingStage stage, double seconds) {
  impl_->stages.at(static_cast<size_t>(stage))->Observe(seconds);
}

void ServingMetrics::batch_scored(int64_t requests, int64_t documents) {
  impl_->batch_requests.Observe(static_cast<double>(requests));
  impl_->batch_documents.Observe(static_cast<double>(documents));
}

void ServingMetrics::score_not_finite(bool by_request) {
  (by_request ? impl_->nonfinite_by_request : impl_->nonfinite_by_model).Increment();
}

void ServingMetrics::bank_looked_up(BankLookup result, int64_t documents) {
  impl_->bank.at(static_cast<size_t>(result))->Increment(static_cast<double>(documents));
}

void ServingMetrics::request_completed(std::string_view route, int status, double seconds) {
  impl_->requests.Add({{"route", std::string(route)}, {"status", std::to_string(status)}})
      .Increment();
  if (route == "rank") impl_->total.Observe(seconds);
}

void ServingMetrics::request_failed(std::string_view kind) {
  impl_->errors.Add({{"kind", std::string(kind)}}).Increment();
}

void ServingMetrics::feedback_committed(size_t written, size_t duplicates) {
  impl_->feedback_written.Increment(static_cast<double>(written));
  impl_->feedback_duplicates.Increment(static_cast<double>(duplicates));
}

std::string ServingMetrics::text(const BackendStatus& status) {
  std::lock_guard lock(impl_->text_mutex);
  impl_->queue_depth.Set(static_cast<double>(status.queue_depth));
  impl_->ready.Set(status.is_ready ? 1 : 0);
  impl_->model_age.Set(
      status.loaded_at_ms == 0
          ? 0
          : std::max(0.0, unix_seconds() - static_cast<double>(status.loaded_at_ms) / 1000));
  impl_->staleness.Set(status.staleness_seconds);
  impl_->bank_rows.Set(static_cast<double>(status.bank_rows));
  impl_->bank_coverage.Set(status.bank_coverage);
  impl_->mean_cosine.Set(status.mean_cosine);
  impl_->effective_rank.Set(status.effective_rank);
  const double failures = static_cast<double>(status.load_failures) - impl_->failed_loads.Value();
  if (failures > 0) impl_->failed_loads.Increment(failures);
  impl_->show_version(status);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace lemur
