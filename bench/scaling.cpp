// A step's cost against the sizes of the workload, one at a time, and of look-ups against the sizes
// of bank and tables.
#include <fmt/format.h>

#include <chrono>

#include "bench/benches.h"
#include "bench/step_workload.h"

namespace lemur {
namespace {

/// Times steps of the workload with each of these sizes.
template <typename T>
void grow(Report& report, const std::string& what, const std::vector<T>& sizes,
          T StepWorkload::*size) {
  bool first = true;
  for (T value : sizes) {
    StepWorkload workload{.batches = 4, .share = 0.2};
    workload.*size = value;
    StepBench bench(workload);
    bench.step();
    std::vector<double> per_sample;
    for (int round = 0; round < report.options().rounds; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      bench.step();
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - begin;
      per_sample.push_back(took.count() / static_cast<double>(workload.batch));
    }
    report.row("scaling", "one sample's share of a step, against " + what,
               {.name = fmt::format("{}", value), .items = 1}, spread_of(per_sample), first);
    first = false;
  }
}

}  // namespace

void bench_scaling(Report& report) {
  grow(report, "the batch", std::vector<int64_t>{64, 128, 256, 512, 1024, 2048},
       &StepWorkload::batch);
  grow(report, "the length of texts, 1: 112 tokens", std::vector<double>{0.25, 0.5, 1.0, 2.0, 4.0},
       &StepWorkload::document_length);
  grow(report, "the length of histories", std::vector<int64_t>{50, 200, 1000, 4000, 10000},
       &StepWorkload::history);
  grow(report, "the vocabulary", std::vector<int64_t>{5000, 30000, 100000, 300000},
       &StepWorkload::vocabulary);
  grow(report, "the documents", std::vector<int64_t>{1000, 10000, 100000},
       &StepWorkload::documents);
  for (int64_t documents : {1'000, 10'000, 100'000, 1'000'000, 10'000'000})
    bench_look_up(report, documents);
  for (int64_t rows : {100'000, 1'000'000, 10'000'000, 50'000'000}) bench_table(report, rows);
}

}  // namespace lemur
