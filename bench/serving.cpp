// A request's way through the predictor, one at a time: 500 candidates, a history of 1000, float32
// and 8 bits in turns; then what a batch of requests costs.
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <future>
#include <random>

#include "bench/benches.h"
#include "bench/step_workload.h"
#include "lemur/data/run_folder.h"
#include "lemur/serving/predictor.h"

namespace lemur {
namespace {

constexpr int kWarmUps = 10, kRequestsPerRound = 20;

/// Sums of what the stages took.
struct Stages : ServingObserver {
  void stage_took(ServingStage stage, double seconds) override {
    if (stage == ServingStage::kPrepare) prepare_ms.push_back(1e3 * seconds);
    if (stage == ServingStage::kScore) score_ms.push_back(1e3 * seconds);
  }
  std::vector<double> prepare_ms, score_ms;
};

/// A predictor with the workload's model.
struct Served {
  Served(const Catalogue& catalogue, const RunFolder& run, bool int8)
      : predictor(catalogue, {.recorded_requests = 0}, stages) {
    predictor.publish(load_snapshot(run, run.checkpoint(1), {.int8 = int8}));
  }

  double rank_ms(const RankRequest& request) {
    std::promise<RankResult> promise;
    const double seconds = seconds_of([&] {
      predictor.rank(request, [&](RankResult result) { promise.set_value(std::move(result)); });
      answer = std::get<RankAnswer>(promise.get_future().get());
    });
    times.push_back(1e3 * seconds);
    return seconds;
  }

  Stages stages;
  Predictor predictor;
  RankAnswer answer;
  std::vector<double> times;
};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

class RequestMaker {
 public:
  RequestMaker(const SampleStore& store, size_t candidates)
      : store_(store), candidates_(candidates), random_(1) {}

  RankRequest next() {
    const StoreSchema& schema = store_.schema();
    RankRequest request{.user = std::string(store_.user_id(draw(schema.num_users))),
                        .query = std::string(store_.query_text(draw(schema.num_queries))),
                        .time_ms = store_.times()[schema.num_events - 1] + 1};
    for (size_t i = 0; i < candidates_; ++i)
      request.documents.push_back(
          {.document = std::string(store_.document_id(draw(schema.num_documents)))});
    return request;
  }

 private:
  uint32_t draw(uint64_t limit) { return static_cast<uint32_t>(random_() % limit); }

  const SampleStore& store_;
  size_t candidates_;
  std::mt19937_64 random_;
};

}  // namespace

void bench_serving(Report& report) {
  StepBench workload({.batch = 64, .batches = 2});
  TemporaryFolder folder;
  const RunFolder run(folder.path() / "run");
  run.create(workload.options(), workload.store());
  FolderWriter checkpoint(run.checkpoint(1));
  workload.state().save(checkpoint);
  checkpoint.publish({{"format", "lemur checkpoint"}, {"version", 1}, {"step", 1}});
  const Catalogue catalogue(workload.store(), workload.options());

  for (size_t candidates : {100, 500, 2000}) {
    Served served[] = {{catalogue, run, false}, {catalogue, run, true}};
    RequestMaker requests(workload.store(), candidates);
    for (int i = 0; i < kWarmUps; ++i)
      for (Served& one : served) one.rank_ms(requests.next());
    for (Served& one : served) one.times.clear();
    double largest = 0;
    for (int i = 0; i < report.options().rounds * kRequestsPerRound; ++i) {
      const RankRequest request = requests.next();
      for (Served& one : served) one.rank_ms(request);
      for (size_t d = 0; d < candidates; ++d)
        largest = std::max<double>(largest, std::abs(served[0].answer.documents[d].scores[0] -
                                                     served[1].answer.documents[d].scores[0]));
    }
    for (size_t i = 0; i < 2; ++i)
      report.figures("serving",
                     fmt::format("{} candidates, a history of 1000, {}", candidates,
                                 i == 0 ? "float32" : "int8"),
                     {{"p50_ms", quantile(served[i].times, 0.5)},
                      {"p99_ms", quantile(served[i].times, 0.99)},
                      {"prepare_ms", quantile(served[i].stages.prepare_ms, 0.5)},
                      {"score_ms", quantile(served[i].stages.score_ms, 0.5)},
                      {"requests", static_cast<double>(served[i].times.size())}});
    report.figures(
        "serving", fmt::format("{} candidates, int8 against float32", candidates),
        {{"ratio_of_p50", quantile(served[1].times, 0.5) / quantile(served[0].times, 0.5)},
         {"largest_difference_of_scores", largest}});
  }
}

}  // namespace lemur
