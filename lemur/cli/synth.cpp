#include <fmt/format.h>

#include <memory>

#include "lemur/base/progress.h"
#include "lemur/cli/commands.h"
#include "lemur/synth/world.h"

namespace lemur {
namespace {

void run_synth(const std::string& out, const WorldOptions& options) {
  Progress progress({.title = "simulate", .total = options.events});
  WorldSummary summary =
      simulate(options, out, [&](int64_t done, int64_t) { progress.update(done); });
  progress.finish();
  fmt::print("{} documents, {} users, {} events; click rate {:.4f}; AUC of p* {:.5f}",
             summary.documents, summary.users, summary.events, summary.click_rate,
             summary.auc_of_p_star);
  if (options.images) fmt::print(", without images {:.5f}", summary.auc_of_p_star_without_images);
  fmt::print("\n");
  fmt::print("configuration: {}/world.toml\n", out);
}

}  // namespace

void add_synth(CLI::App& app) {
  auto out = std::make_shared<std::string>();
  auto options = std::make_shared<WorldOptions>();
  auto* command = app.add_subcommand(
      "synth", "Simulate a world of short-video search with a known click probability");
  command->add_option("--out", *out, "Folder to write")->required();
  command->add_option("--documents", options->documents, "Documents")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{100}, int64_t{1} << 32));
  command->add_option("--users", options->users, "Users")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{10}, int64_t{1} << 32));
  command->add_option("--events", options->events, "Impressions")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{100}, int64_t{1} << 40));
  command->add_flag("--images", options->images,
                    "Covers, which show a part of the topics that the texts do not tell");
  command->add_flag("--interactions", options->interactions,
                    "Fields of users and documents, of which pairs move the clicks");
  command->add_flag("--sparse", options->sparse,
                    "64 impressions a request, of which some 1.5 % are clicked");
  command->add_option("--seed", options->seed, "Seed")->capture_default_str();
  command->footer(
      "Example: lemur synth --out world --documents 20000 --users 5000 --events 300000");
  command->callback([out, options] { run_synth(*out, *options); });
}

}  // namespace lemur
