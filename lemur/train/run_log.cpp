#include "lemur/train/run_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lemur/base/memory.h"
#include "lemur/train/json_lines.h"

namespace lemur {
namespace {

constexpr const char* kLinesFile = "metrics.jsonl";
constexpr size_t kWindow = 20000;  // samples of the running AUC

}  // namespace

RunLog::RunLog(const RunLogOptions& options)
    : options_(options), tensorboard_(options.run), window_auc_(kWindow) {
  drop_lines_after(options.run / kLinesFile, options.step);
  if (options.show_progress)
    progress_ = std::make_unique<Progress>(
        ProgressOptions{.title = "train", .total = options.total_steps, .done = options.step});
}

RunLog::~RunLog() {
  if (progress_) progress_->finish();
}

void RunLog::note(const std::string& line) {
  if (progress_) progress_->note(line);
}

void RunLog::mean(const std::string& name, double value, double weight) {
  auto entry = std::find_if(means_.begin(), means_.end(),
                            [&](const auto& item) { return item.first == name; });
  if (entry == means_.end()) entry = means_.insert(means_.end(), {name, Mean{}});
  entry->second.sum += value * weight;
  entry->second.weight += weight;
}

void RunLog::add(const StepMetrics& metrics, const Batch& batch, int64_t step, double wait_ms) {
  if (batch.size() == 0) return;
  size_t num_labels = batch.labels.size() / std::max<size_t>(batch.size(), 1);
  std::vector<float> labels(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) labels[i] = batch.labels[i * num_labels];
  window_auc_.add(metrics.scores, labels);
  samples_ += static_cast<int64_t>(batch.size());
  mean("train/loss", metrics.loss);
  mean("train/cross_entropy", metrics.cross_entropy);
  if (metrics.alignment != 0) {
    mean("train/alignment", metrics.alignment);
    // What it would be if every candidate were as likely.
    const bool all = options_.all_negatives;
    const auto candidates =
        all ? batch.size()
            : static_cast<size_t>(std::ranges::count_if(labels, [](float y) { return y > 0.5F; }));
    mean("train/alignment_chance", std::log(static_cast<double>(std::max<size_t>(candidates, 1))));
  }
  if (metrics.content_id != 0) mean("train/content_id", metrics.content_id);
  mean("train/gradient_norm", metrics.gradient_norm);
  if (metrics.documents > 0) {
    mean("encoder/distinct_documents", static_cast<double>(metrics.documents));
    mean("encoder/forward", static_cast<double>(metrics.encoded));
    mean("encoder/backward", static_cast<double>(metrics.backward));
    mean("encoder/refreshed", static_cast<double>(metrics.refreshed));
    mean("encoder/tokens", static_cast<double>(metrics.tokens));
  }
  const bool reads_bank = options_.bank && metrics.documents > 0;
  if (reads_bank) {
    mean("bank/coverage_targets", metrics.target_coverage);
    for (size_t h = 0; h < metrics.history_coverage.size(); ++h)
      mean("bank/coverage_" + options_.history_names[h], metrics.history_coverage[h]);
    if (metrics.re_encoded > 0)
      mean("bank/staleness", metrics.staleness, static_cast<double>(metrics.re_encoded));
    mean("bank/age_mean", metrics.age_mean);
    mean("bank/age_median", metrics.age_median);
    mean("bank/age_p90", metrics.age_p90);
    mean("bank/age_max", metrics.age_max);
  }
  if (const auto all = std::accumulate(metrics.flops.begin(), metrics.flops.end(), int64_t{0})) {
    mean("flops/step", static_cast<double>(all));
    mean("flops/backward", static_cast<double>(metrics.flops_backward));
    for (size_t part = 0; part < kNumFlopParts; ++part)
      mean(std::string("flops/") + kFlopPartNames[part], static_cast<double>(metrics.flops[part]));
  }
  mean("time/wait_ms", wait_ms);
  mean("time/encode_ms", metrics.times.encode);
  mean("time/input_ms", metrics.times.input);
  mean("time/rank_ms", metrics.times.rank);
  mean("time/backward_ms", metrics.times.backward);
  mean("time/update_ms", metrics.times.update);
  if (!progress_) return;
  std::string text = fmt::format("loss {:.4f}", metrics.cross_entropy);
  if (last_auc_) text += fmt::format(" auc {:.4f}", *last_auc_);
  double seconds = std::chrono::duration<double>(Clock::now() - interval_start_).count();
  text += fmt::format(" {:.0f} samples/s", static_cast<double>(samples_) / std::max(seconds, 1e-9));
  if (reads_bank)
    text += fmt::format(" coverage {:.3f} staleness {:.3f}", metrics.target_coverage,
                        metrics.staleness);
  progress_->update(step, text);
}

void RunLog::write_interval(int64_t step, double learning_rate, int64_t skipped_steps,
                            const ModelState& state) {
  nlohmann::ordered_json values;
  for (const auto& [name, mean] : means_) values[name] = mean.sum / mean.weight;
  last_auc_ = window_auc_.value();
  if (last_auc_) values["train/window_auc"] = *last_auc_;
  double seconds = std::chrono::duration<double>(Clock::now() - interval_start_).count();
  values["train/samples_per_second"] = static_cast<double>(samples_) / std::max(seconds, 1e-9);
  values["train/learning_rate"] = learning_rate;
  values["train/skipped_steps"] = skipped_steps;
  values["tables/rows"] = state.tables.num_rows();
  values["tables/bytes"] = state.tables.size_bytes();
  if (state.bank) {
    values["bank/documents"] = state.bank->size();
    values["bank/bytes"] = state.bank->size_bytes() + state.pending_gradients.size_bytes();
    health_ = measure_bank(*state.bank);
    if (health_) {
      values["representation/mean_cosine"] = health_->mean_cosine;
      values["representation/effective_rank"] = health_->effective_rank;
      values["representation/uniformity"] = health_->uniformity;
      // 1: what is stored is what would be encoded now; 0: it is no nearer than any other document.
      const auto staleness = values.find("bank/staleness");
      if (staleness != values.end() && health_->mean_cosine < 1)
        values["bank/freshness"] =
            (staleness->get<double>() - health_->mean_cosine) / (1 - health_->mean_cosine);
    }
  }
  values["memory/peak_rss_bytes"] = peak_rss_bytes();
  write(step, values);
  means_.clear();
  samples_ = 0;
  interval_start_ = Clock::now();
}

void RunLog::write_evaluation(int64_t step, const Evaluation& evaluation,
                              const nlohmann::ordered_json& document_seen,
                              std::span<const BankDecile> deciles) {
  nlohmann::ordered_json values;
  nlohmann::ordered_json all = evaluation.metrics.to_json();
  for (const auto& [name, value] : all.items())
    if (value.is_number()) values["valid/" + name] = value;
  if (evaluation.alignment) values["valid/alignment"] = *evaluation.alignment;
  if (const auto& content = evaluation.of_content) {
    if (content->qauc) values["valid/content_qauc"] = *content->qauc;
    if (content->mrr) values["valid/content_mrr"] = *content->mrr;
    values["representation/clicked_cosine"] = content->clicked_cosine;
    values["representation/other_cosine"] = content->other_cosine;
    values["representation/alignment"] = content->alignment;
  }
  values["valid/encoded_documents"] = evaluation.encoded_documents;
  if (evaluation.cold_rows) values["valid/cold_rows"] = *evaluation.cold_rows;
  for (const auto& [bucket, slice] : document_seen.items())
    if (slice["auc"].is_number()) {
      values["valid/auc_document_seen_" + bucket] = slice["auc"];
      values["valid/rows_document_seen_" + bucket] = slice["rows"];
    }
  for (const BankDecile& decile : deciles) {
    values["bank_deciles/documents_" + decile.name] = decile.documents;
    values["bank_deciles/coverage_" + decile.name] = decile.coverage;
    if (decile.age) values["bank_deciles/age_" + decile.name] = *decile.age;
    if (decile.staleness) values["bank_deciles/staleness_" + decile.name] = *decile.staleness;
    if (decile.freshness) values["bank_deciles/freshness_" + decile.name] = *decile.freshness;
  }
  write(step, values);
}

void RunLog::write(int64_t step, const nlohmann::ordered_json& values) {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const double now =
      static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count()) /
      1e3;
  nlohmann::ordered_json line = {{"step", step}, {"time", now}};
  for (const auto& [name, value] : values.items()) {
    line[name] = value;
    tensorboard_.scalar(name, value.get<double>(), step, now);
  }
  append_lines(options_.run / kLinesFile, line.dump() + "\n");
  tensorboard_.flush();
}

}  // namespace lemur
