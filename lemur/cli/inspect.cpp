#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

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
    if (auto json = nlohmann::json::parse(last, nullptr, false); json.is_object())
      print_summary(json, 0);
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
