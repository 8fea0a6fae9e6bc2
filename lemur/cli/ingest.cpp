#include "lemur/data/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "lemur/base/config.h"
#include "lemur/base/progress.h"
#include "lemur/cli/commands.h"

namespace lemur {
namespace {

struct Arguments {
  std::string config, store;
  std::vector<std::string> overrides;
  int64_t memory_mb = IngestOptions{}.memory_limit_mb;
};

/// Says what became of the images, the first few problems by name.
void print_images(const nlohmann::json& summary) {
  constexpr size_t kMostShown = 5;
  const auto all = summary.value("images", nlohmann::json::object());
  for (const auto& [column, images] : all.items()) {
    auto count = [&](const char* key) { return images.at(key).get<uint64_t>(); };
    fmt::print(stderr, "images of '{}': {} decoded, {} documents without one\n", column,
               count("images"), count("none"));
    for (auto [key, kind] : {std::pair("missing", "missing"),
                             {"broken", "broken"},
                             {"unsupported", "of another format"},
                             {"too_large", "too large"}})
      if (count(key) > 0)
        fmt::print(stderr, "images of '{}': {} left out: {}\n", column, count(key), kind);
    const auto& problems = images.at("problems");
    for (size_t i = 0; i < std::min(problems.size(), kMostShown); ++i)
      fmt::print(stderr, "  document {}: {}: {}\n", problems[i].at("document").get<std::string>(),
                 problems[i].at("image").get<std::string>(),
                 problems[i].at("problem").get<std::string>());
    if (problems.size() > kMostShown)
      fmt::print(stderr, "  more in the summary, under images.{}.problems\n", column);
  }
}

void run_ingest(const Arguments& arguments) {
  Options options = load_options(arguments.config, arguments.overrides);
  IngestOptions how;
  how.data = options.data;
  how.tokenizer = options.tokenizer;
  how.base = std::filesystem::absolute(arguments.config).parent_path();
  how.store = arguments.store;
  how.memory_limit_mb = arguments.memory_mb;
  std::unique_ptr<Progress> progress;
  std::string shown;
  how.progress = [&](const std::string& stage, int64_t done, int64_t total) {
    if (stage != shown) {
      if (progress) progress->finish();
      progress = std::make_unique<Progress>(ProgressOptions{.title = stage, .total = total});
      shown = stage;
    }
    progress->update(done);
  };
  nlohmann::json summary = ingest(how);
  if (progress) progress->finish();
  print_images(summary);
  fmt::print("{}\n", summary.dump(2));
}

}  // namespace

void add_ingest(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("ingest", "Read documents and events into a sample store");
  command->add_option("--config", arguments->config, "Configuration file (TOML)")->required();
  command->add_option("--store", arguments->store, "Folder to write")->required();
  command
      ->add_option("--memory-mb", arguments->memory_mb,
                   "Memory for sorting and joining; beyond it data spills to disk")
      ->capture_default_str()
      ->check(CLI::Range(64, 1 << 24));
  command
      ->add_option("--set", arguments->overrides,
                   "Override a key of the configuration: section.key=value")
      ->take_all();
  command->footer("Example: lemur ingest --config world.toml --store store");
  command->callback([arguments] { run_ingest(*arguments); });
}

}  // namespace lemur
