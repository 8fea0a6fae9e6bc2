// A step's cost against the sizes of the workload, one at a time, and of look-ups against the sizes
// of bank and tables.
#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "bench/benches.h"
#include "bench/step_workload.h"

namespace lemur {
namespace {

const std::vector<std::pair<const char*, double StepTimes::*>> kParts = {
    {"encode", &StepTimes::encode},
    {"input", &StepTimes::input},
    {"rank", &StepTimes::rank},
    {"backward", &StepTimes::backward},
    {"update", &StepTimes::update}};

/// Times of one size, and of the parts of its steps, milliseconds a sample.
struct Size {
  std::unique_ptr<StepBench> bench;
  double batch = 0;
  std::vector<double> times;
  std::vector<std::vector<double>> parts = std::vector<std::vector<double>>(kParts.size());

  void step() {
    StepMetrics metrics;
    times.push_back(1e3 * seconds_of([&] { metrics = bench->step(); }) / batch);
    for (size_t i = 0; i < parts.size(); ++i)
      parts[i].push_back(metrics.times.*kParts[i].second / batch);
  }
};

/// Times steps of the workload with each of these sizes, in turns.
template <typename T>
void grow(Report& report, const std::string& what, const std::vector<T>& values,
          T StepWorkload::*size) {
  std::vector<Size> sizes;
  for (T value : values) {
    StepWorkload workload{.batches = 4, .share = 0.2};
    workload.*size = value;
    sizes.push_back(
        {std::make_unique<StepBench>(workload), static_cast<double>(workload.batch), {}});
    sizes.back().bench->step();
  }
  for (int round = 0; round < report.options().rounds; ++round)
    for (Size& measured : sizes) measured.step();
  for (size_t i = 0; i < sizes.size(); ++i) {
    nlohmann::ordered_json medians;
    for (size_t part = 0; part < kParts.size(); ++part)
      medians[kParts[part].first] = spread_of(sizes[i].parts[part]).median;
    report.row("scaling", "one sample's share of a step, against " + what,
               {.name = fmt::format("{}", values[i]), .items = 1}, spread_of(sizes[i].times),
               i == 0, medians);
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
