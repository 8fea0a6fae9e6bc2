#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "lemur/base/folder.h"
#include "lemur/base/progress.h"
#include "lemur/cli/commands.h"
#include "lemur/data/run_folder.h"
#include "lemur/eval/baselines.h"
#include "lemur/model/model_state.h"

namespace lemur {
namespace {

struct BaselinesArguments {
  std::string store, split = "test", json;
  std::vector<std::string> runs;
};

std::string text(const std::optional<double>& metric) {
  return metric ? fmt::format("{:.4f}", *metric) : std::string("-");
}

void print_baselines(const std::string& split, const std::vector<Baseline>& baselines) {
  fmt::print("{:<22} {:>8} {:>8} {:>8} {:>8} {:>8}  how\n", split, "AUC", "QAUC", "UAUC", "MRR",
             "NDCG@10");
  for (const Baseline& one : baselines) {
    const Metrics& m = one.metrics;
    fmt::print("{:<22} {:>8} {:>8} {:>8} {:>8} {:>8}  {}\n", one.name, text(m.auc), text(m.qauc),
               text(m.uauc), text(m.mrr), text(m.ndcg_at_10), one.how);
  }
}

void measure_baselines(const BaselinesArguments& arguments) {
  const SampleStore store(arguments.store);
  for (const std::string& run : arguments.runs)
    check_compatible(RunFolder(run).schema(), store.schema());
  Progress progress({.title = "baselines"});
  int64_t done = 0;
  const auto baselines = run_baselines(
      store, arguments.split, [&](const std::string& what) { progress.update(++done, what); });
  progress.finish();
  print_baselines(arguments.split, baselines);
  const std::string json = baselines_to_json(arguments.split, baselines).dump(1) + "\n";
  if (!arguments.json.empty()) write_file_atomically(arguments.json, json);
  for (const std::string& run : arguments.runs)
    write_file_atomically(
        std::filesystem::path(run) / fmt::format("baselines-{}.json", arguments.split), json);
}

}  // namespace

void add_baselines(CLI::App& app) {
  auto arguments = std::make_shared<BaselinesArguments>();
  auto* command = app.add_subcommand(
      "baselines", "Rank a split by simple methods: what a model must be better than");
  command->add_option("--store", arguments->store, "Folder of the sample store")->required();
  command->add_option("--split", arguments->split, "Split to rank")->capture_default_str();
  command->add_option("--run", arguments->runs,
                      "Folders of runs of this store to keep the metrics in, for lemur report");
  command->add_option("--json", arguments->json, "File to write the metrics to");
  command->footer(
      "Example: lemur baselines --store store --split valid\nPopularity, BM25, item-item, logistic "
      "regression and gradient-boosted trees, fitted on train and chosen on valid. `lemur ablate "
      "--table baselines` sets them beside the model.");
  command->callback([arguments] { measure_baselines(*arguments); });
}

}  // namespace lemur
