#include <fmt/format.h>

#include <array>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/safetensors.h"
#include "lemur/cli/commands.h"
#include "lemur/data/run_folder.h"
#include "lemur/data/sample_store.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

void print_summary(const nlohmann::json& value, int indent) {
  constexpr size_t kMostShown = 10;  // of a list
  for (const auto& [key, item] : value.items()) {
    std::string label = std::string(static_cast<size_t>(indent), ' ') + key;
    if (item.is_object()) {
      fmt::print("{}\n", label);
      print_summary(item, indent + 2);
    } else if (item.is_array() && item.size() > kMostShown) {
      fmt::print("{:<32} {} items, in the manifest\n", label, item.size());
    } else {
      fmt::print("{:<32} {}\n", label, item.is_string() ? item.get<std::string>() : item.dump());
    }
  }
}

void inspect_store(const fs::path& path, bool verify) {
  SampleStore store(path, verify);
  const StoreSchema& schema = store.schema();
  fmt::print("sample store {}\n", path.string());
  fmt::print("documents {}, users {}, queries {}, events {}, vocabulary {}\n", schema.num_documents,
             schema.num_users, schema.num_queries, schema.num_events, schema.vocabulary_size);
  for (const auto& split : schema.splits)
    fmt::print("split {:<26} {} events\n", split.name, split.end - split.begin);
  for (const auto& field : schema.text)
    fmt::print("text {:<27} at most {} tokens\n", field.name, field.max_tokens);
  for (const auto& field : schema.images)
    fmt::print("image {:<26} {} of {} x {} pixels\n", field.name, field.num_images, field.pixels,
               field.pixels);
  for (const auto& feature : schema.features)
    fmt::print("feature {:<24} of {}, {}\n", feature.name, feature.of,
               feature.is_number ? fmt::format("number, mean {:.6g}, deviation {:.6g}",
                                               feature.scale.mean, feature.scale.deviation)
                                 : fmt::format("category, width {}", feature.width));
  for (const auto& history : schema.histories)
    fmt::print("history {:<24} at most {} documents\n", history.name, history.length);
  fmt::print("summary of ingest\n");
  print_summary(store.manifest().value("summary", nlohmann::json::object()), 2);
}

void inspect_checkpoint(const fs::path& path, bool verify) {
  nlohmann::json manifest = open_checkpoint(path, verify);
  fmt::print("checkpoint {}\n", path.string());
  for (const auto& [key, value] : manifest.items())
    if (key != "files") fmt::print("{:<32} {}\n", key, value.dump());
  for (const auto& [name, file] : manifest["files"].items())
    fmt::print("{:<32} {} bytes\n", name, file["size_bytes"].get<uint64_t>());
  SafetensorsFile dense(path / "dense.safetensors");
  int64_t total = 0;
  for (const auto& [name, tensor] : dense.entries()) {
    int64_t count = 1;
    for (int64_t size : tensor.shape) count *= size;
    total += count;
    fmt::print("  {:<54} {} [{}]\n", name, tensor.dtype, fmt::join(tensor.shape, ", "));
  }
  fmt::print("dense parameters {}\n", total);
}

constexpr std::string_view kDeciles = "bank_deciles/";

/// Prints a line of metrics.jsonl, but for what it says of the bank by popularity.
void print_line(nlohmann::json line) {
  for (auto item = line.begin(); item != line.end();)
    item = item.key().starts_with(kDeciles) ? line.erase(item) : std::next(item);
  print_summary(line, 0);
}

/// Prints what an evaluation's line says of the bank by popularity, as a table.
void print_deciles(const nlohmann::json& line) {
  constexpr std::array kColumns = {"documents", "coverage", "age", "staleness", "freshness"};
  const auto find = [&](const char* column, const std::string& group) {
    return line.find(fmt::format("{}{}_{}", kDeciles, column, group));
  };
  std::vector<std::string> groups;
  for (int decile = 1; decile <= 10; ++decile) groups.push_back(fmt::format("{}", decile));
  groups.emplace_back("unseen");
  std::erase_if(groups, [&](const auto& group) { return find("documents", group) == line.end(); });
  if (groups.empty()) return;
  fmt::print("{:<20}", "popularity");
  for (const char* column : kColumns) fmt::print(" {:>10}", column);
  fmt::print("\n");
  for (const std::string& group : groups) {
    fmt::print("{:<20}", group);
    for (const char* column : kColumns) {
      const auto value = find(column, group);
      fmt::print(" {:>10}", value == line.end() ? "-"
                            : value->is_number_integer()
                                ? value->dump()
                                : fmt::format("{:.4f}", value->get<double>()));
    }
    fmt::print("\n");
  }
}

void inspect_run(const fs::path& path, bool verify) {
  RunFolder run(path);
  run.check();
  std::vector<std::string> skipped;
  auto steps = run.checkpoints(&skipped, verify);
  fmt::print("run {}\n", path.string());
  auto best = run.best();
  for (int64_t step : steps)
    fmt::print("checkpoint {}{}\n", run.checkpoint(step).filename().string(),
               best == step ? " (best)" : "");
  for (const std::string& line : skipped) fmt::print("not usable: {}\n", line);
  std::ifstream lines(path / "metrics.jsonl");
  std::string line, training, evaluation;
  while (std::getline(lines, line))
    (line.find("\"valid/") != std::string::npos ? evaluation : training) = line;
  for (const std::string& last : {training, evaluation})
    if (auto json = nlohmann::json::parse(last, nullptr, false); json.is_object()) {
      print_line(json);
      print_deciles(json);
    }
}

void run_inspect(const std::string& text, bool verify) {
  fs::path path = text;
  if (path.filename().empty()) path = path.parent_path();
  if (fs::exists(path / "config.toml") && !fs::exists(path / "manifest.json"))
    return inspect_run(path, verify);
  std::string format = open_folder(path).value("format", "");
  if (format == "lemur sample store") {
    inspect_store(path, verify);
  } else if (format == "lemur checkpoint") {
    inspect_checkpoint(path, verify);
  } else {
    fail<DataError>("inspect", "{} is neither a sample store, nor a checkpoint, nor a run",
                    path.string());
  }
  if (verify) fmt::print("all checksums hold\n");
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  auto verify = std::make_shared<bool>(false);
  auto* command =
      app.add_subcommand("inspect", "Show what a sample store, a checkpoint or a run holds");
  command->add_option("PATH", *path, "Folder")->required();
  command->add_flag("--verify", *verify, "Check the checksums of every file");
  command->footer("Example: lemur inspect store --verify");
  command->callback([path, verify] { run_inspect(*path, *verify); });
}

}  // namespace lemur
