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

/// FLOPs of a step that no implementation can leave out: encoders, RankMixer, and each sample's
/// own history in cosines and decoder; forward and backward.
double useful_flops(const TimedStep& step, const StepWorkload& workload) {
  const ModelOptions& model = step.bench->options().model;
  const auto d = static_cast<double>(model.encoder_width),
             r = static_cast<double>(model.representation_width),
             width = static_cast<double>(model.token_width),
             batch = static_cast<double>(workload.batch);
  auto encoder = [&](double count, double rows, double layers) {
    const double length = rows / std::max(count, 1.0);
    return (layers - 1) * rows * (24 * d * d + 4 * d * length) + rows * (4 * d * d + 4 * d) +
           count * 20 * d * d;
  };
  double texts = 0, tokens = 0;  // of a batch's queries
  for (const Batch& each : step.bench->batches()) {
    texts += static_cast<double>(each.queries.size());
    for (uint32_t query : each.queries)
      tokens += 2 + static_cast<double>(step.bench->store().query_tokens()[query].size());
  }
  const auto batches = static_cast<double>(step.bench->batches().size());
  const double queries = encoder(texts / batches, tokens / batches, 2);
  const double ranker = batch * static_cast<double>(model.tokens * model.ranker_layers) * 4 *
                        width * width * static_cast<double>(model.ranker_ffn_factor);
  const double history = batch * static_cast<double>(workload.history) * r *
                         (2 + 4 * static_cast<double>(model.decoder_layers));
  // The bank's rows are constants: nothing flows back into them.
  return 3 * (encoder(step.mean(step.encoded), step.mean(step.tokens), 4) + queries + ranker) +
         2 * history;
}

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
    variants.push_back({.name = step.name,
                        .call = [&step] { step.run(); },
                        .flops = useful_flops(step, workloads[i].second),
                        .items = static_cast<double>(workloads[i].second.batch)});
  }
  report.alternate("step", fmt::format("batch of {}", StepWorkload{}.batch), variants);
  for (const TimedStep& step : steps) step.report_parts(report);
}

}  // namespace lemur
