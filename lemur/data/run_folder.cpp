#include "lemur/data/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "lemur/base/config.h"
#include "lemur/base/error.h"
#include "lemur/base/folder.h"

namespace lemur {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "step-";
constexpr const char* kRunFormat = "lemur run";
constexpr const char* kRunFile = "run.json";

/// Returns the number of "step-000123", nothing for another name.
std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = 0;
  const char *begin = name.data() + kPrefix.size(), *end = name.data() + name.size();
  auto [stop, error] = std::from_chars(begin, end, step);
  if (error != std::errc() || stop != end) return std::nullopt;
  return step;
}

}  // namespace

nlohmann::json open_checkpoint(const fs::path& path, bool verify) {
  nlohmann::json manifest = open_folder(path, verify);
  check_format(path, manifest, "lemur checkpoint", kCheckpointVersion);
  return manifest;
}

bool RunFolder::exists() const { return fs::exists(path_ / "config.toml"); }

void RunFolder::create(const Options& options, const SampleStore& store) const {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) fail<DataError>("run", "cannot create {}: {}", path_.string(), error.message());
  const nlohmann::json manifest = {{"format", kRunFormat}, {"version", kVersion}};
  write_file_atomically(path_ / kRunFile, manifest.dump(1) + "\n");
  write_file_atomically(path_ / "schema.json", store.schema().to_json().dump(1));
  write_file_atomically(path_ / "vocab.txt", read_file(store.vocabulary_path()));
  write_file_atomically(path_ / "config.toml", options_to_toml(options));
}

void RunFolder::check() const {
  if (!exists()) fail<DataError>("run", "{} holds no run: config.toml is missing", path_.string());
  nlohmann::json manifest = {{"format", kRunFormat}, {"version", 1}};  // which had no such file
  if (fs::exists(path_ / kRunFile))
    manifest = nlohmann::json::parse(read_file(path_ / kRunFile), nullptr,
                                     /*allow_exceptions=*/false);
  check_format(path_, manifest, kRunFormat, kVersion);
}

Options RunFolder::options() const {
  check();
  return load_options(path_ / "config.toml");
}

StoreSchema RunFolder::schema() const {
  check();
  return StoreSchema::from_json(nlohmann::json::parse(read_file(path_ / "schema.json")));
}

SpecialTokens RunFolder::special_tokens() const {
  check();
  return SpecialTokens::load(path_ / "vocab.txt");
}

fs::path RunFolder::checkpoint(int64_t step) const {
  return path_ / fmt::format("{}{:06}", kPrefix, step);
}

std::vector<int64_t> RunFolder::checkpoints(std::vector<std::string>* skipped, bool verify) const {
  std::vector<int64_t> steps;
  if (!fs::exists(path_)) return steps;
  for (const auto& entry : fs::directory_iterator(path_)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    try {
      auto step = step_of(name);
      if (!step) fail<DataError>("files", "{} was never published", entry.path().string());
      open_checkpoint(entry.path(), verify);
      steps.push_back(*step);
    } catch (const DataError& error) {
      if (skipped != nullptr) skipped->push_back(error.what());
    }
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<int64_t> RunFolder::newest(std::vector<std::string>* skipped) const {
  std::vector<int64_t> steps = checkpoints(skipped);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    try {
      open_checkpoint(checkpoint(*step), /*verify=*/true);
      return *step;
    } catch (const DataError& error) {
      if (skipped != nullptr) skipped->push_back(error.what());
    }
  }
  return std::nullopt;
}

std::optional<int64_t> RunFolder::best() const {
  if (!fs::exists(path_ / "best")) return std::nullopt;
  std::string name = read_file(path_ / "best");
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return step_of(name);
}

void RunFolder::set_best(int64_t step) const {
  write_file_atomically(path_ / "best", checkpoint(step).filename().string() + "\n");
}

fs::path RunFolder::choose(const std::string& choice, std::vector<std::string>* skipped) const {
  if (choice != "best" && choice != "newest") return path_ / choice;
  if (choice == "best")
    if (auto step = best()) return checkpoint(*step);
  auto step = newest(skipped);
  if (!step) fail<DataError>("run", "{} holds no complete checkpoint", path_.string());
  return checkpoint(*step);
}

void RunFolder::prune(int64_t keep) const {
  std::vector<int64_t> steps = checkpoints();
  auto best_step = best();
  int64_t superfluous = static_cast<int64_t>(steps.size()) - keep;
  for (int64_t i = 0; i < superfluous; ++i)
    if (steps[static_cast<size_t>(i)] != best_step)
      fs::remove_all(checkpoint(steps[static_cast<size_t>(i)]));
  for (const auto& entry : fs::directory_iterator(path_)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.find(".tmp-") != std::string::npos)
      fs::remove_all(entry.path());
  }
}

}  // namespace lemur
