#include "lemur/data/ingest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lemur/base/config.h"
#include "lemur/base/progress.h"
#include "lemur/cli/commands.h"

namespace lemur {
namespace {

struct IngestArguments {
  std::string config, store;
  std::vector<std::string> overrides;
  int64_t memory_mb = IngestOptions{}.memory_limit_mb;
};

std::string text_of(const nlohmann::json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string joined(const nlohmann::json& texts) {
  return fmt::format("{}", fmt::join(texts.get<std::vector<std::string>>(), ", "));
}

/// Prints a table's columns, and which of their values are missing.
void print_columns(const nlohmann::json& columns) {
  constexpr const char* kLine = "  {:<24} {:>12} {:>12}  {:<24}  {}\n";
  fmt::print(stderr, kLine, "column", "NULL", "distinct (~)", "least", "greatest");
  for (const auto& [name, column] : columns.items())
    fmt::print(stderr, kLine, name, text_of(column.at("nulls")), text_of(column.at("distinct")),
               text_of(column.at("min")), text_of(column.at("max")));
  for (const auto& [name, column] : columns.items())
    for (const auto& missing : column.value("missing", nlohmann::json::array()))
      fmt::print(stderr, "  {}: {} rows are missing ({}), first {}\n", name,
                 text_of(missing.at("rows")), missing.at("why").get<std::string>(),
                 joined(missing.at("first")));
}

/// Says what was read of each table, and what was left out.
void print_tables(const nlohmann::json& summary) {
  for (const auto& [table, columns] : summary.at("columns").items()) {
    const nlohmann::json part = summary.value(table, nlohmann::json::object());
    fmt::print(stderr, "{}: {} rows", table, text_of(columns.begin()->at("rows")));
    if (part.contains("files")) fmt::print(stderr, " of {} files", text_of(part["files"]));
    if (summary.at("times").contains(table)) {
      const auto& times = summary["times"][table];
      fmt::print(stderr, ", {} to {} (times in {})", text_of(times.at("first")),
                 text_of(times.at("last")), text_of(times.at("unit")));
    }
    fmt::print(stderr, "\n");
    print_columns(columns);
    if (part.contains("blank_lines"))
      fmt::print(stderr, "  {} blank lines were left out, first in {}\n",
                 text_of(part["blank_lines"].at("lines")), joined(part["blank_lines"].at("first")));
    if (part.contains("first_of_unknown_documents"))
      fmt::print(stderr, "  {} rows are of unknown documents, first {}\n",
                 text_of(part["of_unknown_documents"]), joined(part["first_of_unknown_documents"]));
  }
}

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

void run_ingest(const IngestArguments& arguments) {
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
  print_tables(summary);
  print_images(summary);
  fmt::print("{}\n", summary.dump(2));
}

}  // namespace

void add_ingest(CLI::App& app) {
  auto arguments = std::make_shared<IngestArguments>();
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
