#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "lemur/base/folder.h"
#include "lemur/cli/commands.h"
#include "lemur/eval/baselines.h"

namespace lemur {
namespace {

std::string text(const std::optional<double>& metric) {
  return metric ? fmt::format("{:.4f}", *metric) : std::string("-");
}

void run(const std::string& path, const std::string& split, const std::string& json_path) {
  const SampleStore store(path);
  const auto baselines = run_baselines(store, split);
  fmt::print("{:<20} {:>8} {:>8} {:>8} {:>8} {:>8}  how\n", split, "AUC", "QAUC", "UAUC", "MRR",
             "NDCG@10");
  nlohmann::ordered_json json;
  for (const Baseline& one : baselines) {
    const Metrics& m = one.metrics;
    fmt::print("{:<20} {:>8} {:>8} {:>8} {:>8} {:>8}  {}\n", one.name, text(m.auc), text(m.qauc),
               text(m.uauc), text(m.mrr), text(m.ndcg_at_10), one.how);
    nlohmann::ordered_json metrics = m.to_json();
    if (!one.is_probability)
      for (const char* name : {"log_loss", "calibration", "ece"}) metrics.erase(name);
    json[one.name] = {{"how", one.how}, {"metrics", std::move(metrics)}};
  }
  if (!json_path.empty()) write_file_atomically(json_path, json.dump(1) + "\n");
}

}  // namespace

void add_baselines(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  auto split = std::make_shared<std::string>("test");
  auto json = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "baselines", "Rank a split by simple methods: what a model must be better than");
  command->add_option("--store", *path, "Folder of the sample store")->required();
  command->add_option("--split", *split, "Split to rank")->capture_default_str();
  command->add_option("--json", *json, "File to write the metrics to");
  command->footer("Example: lemur baselines --store store --split valid");
  command->callback([path, split, json] { run(*path, *split, *json); });
}

}  // namespace lemur
