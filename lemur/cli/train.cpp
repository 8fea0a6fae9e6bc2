#include <fmt/format.h>

#include <memory>

#include "lemur/base/config.h"
#include "lemur/cli/commands.h"
#include "lemur/cli/terminal.h"
#include "lemur/train/trainer.h"

namespace lemur {
namespace {

struct TrainArguments {
  std::string config, store, run;
  std::vector<std::string> overrides;
  bool resume = false;
};

void run_train(const TrainArguments& arguments) {
  Options options = load_options(arguments.config, arguments.overrides);
  SampleStore store(arguments.store);
  catch_interrupts();
  TrainerOptions how{
      .run = arguments.run,
      .base = std::filesystem::absolute(arguments.config).parent_path(),
      .resume = arguments.resume,
      .stop = &interrupted,
      .report = [](const std::string& line) { fmt::print(stderr, "\r\033[K{}\n", line); }};
  TrainingResult result = train(options, store, how);
  if (result.interrupted) {
    fmt::print("interrupted after step {}; --resume goes on\n", result.steps);
    throw ExitCode{kExitInterrupted};
  }
  fmt::print("{} steps", result.steps);
  if (result.best_step)
    fmt::print("; best {} on valid: {:.5f} at step {}", options.train.metric, *result.best_metric,
               *result.best_step);
  if (result.skipped > 0)
    fmt::print("; {} skipped, their rows in {}/quarantine.jsonl", result.skipped, arguments.run);
  fmt::print("; run in {}\n", arguments.run);
}

}  // namespace

void add_train(CLI::App& app) {
  auto arguments = std::make_shared<TrainArguments>();
  auto* command = app.add_subcommand("train", "Train a model on a sample store");
  command->add_option("--config", arguments->config, "Configuration file (TOML)")->required();
  command->add_option("--store", arguments->store, "Sample store that ingest wrote")->required();
  command->add_option("--run", arguments->run, "Folder of the run: checkpoints, metrics")
      ->required();
  command->add_flag("--resume", arguments->resume, "Go on from the newest complete checkpoint");
  command
      ->add_option("--set", arguments->overrides,
                   "Override a key of the configuration: section.key=value")
      ->take_all();
  command->footer(
      "Example: lemur train --config world.toml --store store --run run --set model.ranker=mlp "
      "train.epochs=1");
  command->callback([arguments] { run_train(*arguments); });
}

}  // namespace lemur
