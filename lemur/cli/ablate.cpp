#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "lemur/ablate/ablation.h"
#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/folder_lock.h"
#include "lemur/cli/commands.h"
#include "lemur/cli/terminal.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

struct AblateArguments {
  std::string config, store, run, arms, split = "test";
  std::vector<std::string> tables = {"main"}, set;
  std::vector<double> learning_rates;
  int64_t seeds = 3;
  bool dry_run = false;
};

std::vector<std::string> tables_of(const AblateArguments& arguments, const Arms& arms) {
  if (std::ranges::count(arguments.tables, "all") == 0) return arguments.tables;
  std::vector<std::string> names;
  for (const AblationTable& table : arms.tables) names.push_back(table.name);
  return names;
}

void write_table(const fs::path& folder, const nlohmann::ordered_json& table) {
  std::string markdown = table_to_markdown(table);
  for (const auto& note : table["notes"]) markdown += "\n" + note.get<std::string>() + "\n";
  const std::string name = table["table"];
  write_file_atomically(folder / (name + ".json"), table.dump(1) + "\n");
  write_file_atomically(folder / (name + ".md"), markdown);
  fmt::print("\n{}", markdown);
  std::fflush(stdout);
}

void run_ablate(const AblateArguments& arguments) {
  const Arms arms = arguments.arms.empty() ? parse_arms(published_arms(), "configs/arms.toml")
                                           : parse_arms(read_file(arguments.arms), arguments.arms);
  const SampleStore store(arguments.store);
  AblationOptions options{
      .runner = {.program = fs::read_symlink("/proc/self/exe"),
                 .config = arguments.config,
                 .store = arguments.store,
                 .folder = arguments.run,
                 .split = arguments.split,
                 .set = arguments.set,
                 .stop = &interrupted,
                 .report = [](const std::string& line) { fmt::print(stderr, "{}\n", line); }},
      .tables = tables_of(arguments, arms),
      .seeds = arguments.seeds,
      .learning_rates =
          arguments.learning_rates.empty() ? arms.learning_rates : arguments.learning_rates};
  Ablation ablation(std::move(options), arms, store.schema());
  // Two ablations in one folder would train the same runs.
  const FolderLock lock(arguments.run, "ablate");
  catch_interrupts();
  try {
    if (arguments.dry_run) {
      fmt::print("{}", ablation.plan());
    } else {
      ablation.run([&](const auto& table) { write_table(arguments.run, table); });
      fmt::print(
          "\nchange: against the base with the same seed; ±: 95% confidence over the seeds; paper: "
          "its figure, of other data; also in {}\n",
          arguments.run);
    }
  } catch (const Stopped&) {
    fmt::print("interrupted; the same command goes on\n");
    throw ExitCode{kExitInterrupted};
  }
}

}  // namespace

void add_ablate(CLI::App& app) {
  auto arguments = std::make_shared<AblateArguments>();
  auto* command = app.add_subcommand(
      "ablate", "Train the arms of the paper's tables and write them beside the paper's figures");
  command->add_option("--config", arguments->config, "Configuration that the arms change (TOML)")
      ->required();
  command->add_option("--store", arguments->store, "Sample store that ingest wrote")->required();
  command->add_option("--run", arguments->run, "Folder of the ablation: runs, tables")->required();
  command
      ->add_option("--table", arguments->tables,
                   "Tables of the file of arms: main, two-stage, ablation, temperature, sampling, "
                   "experts, parts, baselines (simple methods beside the model); or all")
      ->capture_default_str();
  command->add_option("--seeds", arguments->seeds, "Runs of each arm, seeds 1 up to this")
      ->capture_default_str();
  command->add_option("--learning-rates", arguments->learning_rates,
                      "Tried for every arm with seed 1, the best on valid counts; default: those "
                      "of the file of arms");
  command->add_option("--arms", arguments->arms, "File of arms; default: configs/arms.toml");
  command->add_option("--split", arguments->split, "Split that the tables are of")
      ->capture_default_str();
  command
      ->add_option("--set", arguments->set,
                   "Overrides of the configuration: section.key=value; what an arm sets stays")
      ->take_all();
  command->add_flag("--dry-run", arguments->dry_run,
                    "Say what would run and, by a few steps of each arm, how long it would take");
  command->footer(
      "Example: lemur ablate --config world.toml --store store --run ablation --table main\nRuns "
      "go one after the other; stopped or killed, the same command goes on. DIR/main.json and "
      "main.md hold the table.");
  command->callback([arguments] { run_ablate(*arguments); });
}

}  // namespace lemur
