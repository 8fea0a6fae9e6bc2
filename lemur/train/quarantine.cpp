#include "lemur/train/quarantine.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/train/json_lines.h"

namespace lemur {
namespace {

constexpr int64_t kFewestSteps = 100;  // that a share is taken of
constexpr size_t kMostNamed = 3;       // rows in an error

bool has_score(const StepMetrics& metrics, size_t sample) {
  return sample < metrics.scores.size() && std::isfinite(metrics.scores[sample]);
}

nlohmann::ordered_json describe(const SampleStore& store, uint64_t event) {
  nlohmann::ordered_json labels;
  for (size_t task = 0; task < store.schema().labels.size(); ++task)
    labels[store.schema().labels[task]] = store.labels(task)[event];
  return {{"event", event},
          {"row", store.rows()[event]},
          {"user", store.user_id(store.users()[event])},
          {"document", store.document_id(store.documents()[event])},
          {"labels", labels}};
}

/// Names the rows that have no score, or the first ones where all have one.
std::string name_rows(const SampleStore& store, const Batch& batch, const StepMetrics& metrics) {
  std::vector<size_t> samples;
  for (size_t i = 0; i < batch.size(); ++i)
    if (i < metrics.scores.size() && !has_score(metrics, i)) samples.push_back(i);
  const bool all_alike = samples.empty();
  for (size_t i = 0; all_alike && i < batch.size(); ++i) samples.push_back(i);
  std::string names;
  for (size_t i = 0; i < std::min(samples.size(), kMostNamed); ++i) {
    const uint64_t event = batch.events[samples[i]];
    names += fmt::format("{}row {} (user '{}', document '{}')", i == 0 ? "" : ", ",
                         store.rows()[event], store.user_id(store.users()[event]),
                         store.document_id(store.documents()[event]));
  }
  if (samples.size() > kMostNamed)
    names += fmt::format(" and {} more", samples.size() - kMostNamed);
  return names;
}

}  // namespace

Quarantine::Quarantine(const std::filesystem::path& run, int64_t step, int64_t skipped,
                       double max_share)
    : file_(run / "quarantine.jsonl"), skipped_(skipped), max_share_(max_share) {
  drop_lines_after(file_, step);
}

void Quarantine::add(const SampleStore& store, const Batch& batch, int64_t step,
                     const StepMetrics& metrics) {
  ++skipped_;
  std::string lines;
  for (size_t i = 0; i < batch.size(); ++i) {
    nlohmann::ordered_json line = {{"step", step}, {"reason", metrics.fault}};
    line.update(describe(store, batch.events[i]));
    line["score"] = has_score(metrics, i) ? nlohmann::ordered_json(metrics.scores[i]) : nullptr;
    // IDs are bytes of the input; what is no UTF-8 of them is replaced.
    lines += line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  append_lines(file_, lines);
  if (static_cast<double>(skipped_) <=
      max_share_ * static_cast<double>(std::max(step, kFewestSteps)))
    return;
  fail<DataError>("train",
                  "{} of {} steps were skipped, more than train.max_skipped_share = {} allows; the "
                  "last because {}: {}. The rows are in {}; if they are sound, lower "
                  "train.learning_rate",
                  skipped_, step, max_share_, metrics.fault, name_rows(store, batch, metrics),
                  file_.string());
}

}  // namespace lemur
