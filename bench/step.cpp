// A training step on the workload of step_workload.h, whole and by its parts.
#include <fmt/format.h>
#include <torch/torch.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/benches.h"
#include "bench/step_workload.h"
#include "lemur/model/tensor_file.h"
#include "lemur/model/token_batch.h"
#include "lemur/train/step_plan.h"

namespace lemur {
namespace {

constexpr std::pair<const char*, double StepTimes::*> kParts[] = {
    {"encode", &StepTimes::encode},
    {"input", &StepTimes::input},
    {"rank", &StepTimes::rank},
    {"backward", &StepTimes::backward},
    {"update", &StepTimes::update}};

/// A variant of the step and what its calls measured.
struct TimedStep {
  std::string name;
  std::unique_ptr<StepBench> bench;
  std::vector<StepTimes> times = {};
  double documents = 0, encoded = 0, tokens = 0;  // per step

  void run() {
    const StepMetrics metrics = bench->step();
    times.push_back(metrics.times);
    documents += static_cast<double>(metrics.documents);
    encoded += static_cast<double>(metrics.encoded);
    tokens += static_cast<double>(metrics.tokens);
  }

  double mean(double sum) const { return sum / static_cast<double>(times.size()); }

  void report_parts(Report& report) const {
    for (size_t part = 0; part < std::size(kParts); ++part) {
      std::vector<double> values;
      for (const StepTimes& each : times) values.push_back(each.*kParts[part].second);
      report.row("step", name + ", by part", {.name = kParts[part].first}, spread_of(values),
                 part == 0);
    }
    report.figures("step", name,
                   {{"distinct documents", mean(documents)},
                    {"encoded", mean(encoded)},
                    {"tokens encoded", mean(tokens)},
                    {"model, MB", static_cast<double>(bench->model_bytes()) * 1e-6}});
  }
};

}  // namespace

void bench_step(Report& report) {
  report.roof(report.options().threads);
  std::vector<TimedStep> steps;
  const std::pair<const char*, StepWorkload> workloads[] = {
      {"p = q = 100 %, histories of 1000", {}},
      {"p = q = 100 %, histories of 50", {.history = 50}},
      {"p = q = 20 %, histories of 1000", {.share = 0.2}},
      {"p = q = 20 %, histories of 50", {.history = 50, .share = 0.2}}};
  for (const auto& [name, workload] : workloads)
    steps.push_back({name, std::make_unique<StepBench>(workload)});
  std::vector<Variant> variants;
  for (size_t i = 0; i < steps.size(); ++i) {
    TimedStep& step = steps[i];
    step.run();  // to know how much there is to encode
    variants.push_back(
        {.name = step.name,
         .call = [&step] { step.run(); },
         .flops = step.bench->useful_flops(step.mean(step.encoded), step.mean(step.tokens)),
         .items = static_cast<double>(workloads[i].second.batch)});
  }
  report.alternate("step", fmt::format("batch of {}", StepWorkload{}.batch), variants);
  for (const TimedStep& step : steps) step.report_parts(report);
}

}  // namespace lemur
