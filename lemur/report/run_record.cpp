#include "lemur/report/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "lemur/base/config.h"
#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/safetensors.h"
#include "lemur/data/run_folder.h"
#include "lemur/report/metric_columns.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Whether the page can show what a file of `lemur baselines` holds.
bool is_baselines(const Json& json) {
  return json.is_object() && json.value("split", Json()).is_string() &&
         json.value("methods", Json()).is_array() &&
         std::ranges::all_of(json["methods"], [](const Json& method) {
           return method.is_object() && method.value("name", Json()).is_string();
         });
}

class RunReader {
 public:
  RunReader(const fs::path& path, const std::string& name) : folder_(path) { json_["name"] = name; }

  RunRecord read() {
    FlatOptions options = read_options();
    read_environment();
    read_course();
    json_["evaluations"] =
        read_kept("evaluation-", [](const Json& json) { return json.is_object(); });
    json_["baselines"] = read_kept("baselines-", &is_baselines);
    read_checkpoints();
    json_["problems"] = problems_;
    return {std::move(json_), std::move(options)};
  }

 private:
  /// A configuration that does not parse is the run's fault here, not the caller's.
  FlatOptions read_options() {
    try {
      const StoreSchema schema = folder_.exists() ? folder_.schema() : StoreSchema{};
      FlatOptions options = flatten_options(folder_.options());
      json_["data"] = {{"documents", schema.num_documents},
                       {"users", schema.num_users},
                       {"events", schema.num_events},
                       {"queries", schema.num_queries},
                       {"vocabulary", schema.vocabulary_size}};
      for (const auto& split : schema.splits)
        json_["data"]["events of " + split.name] = split.end - split.begin;
      return options;
    } catch (const InvalidArgument& error) {
      throw DataError(error.what());
    } catch (const nlohmann::json::exception& error) {
      fail<DataError>("run", "{} is no schema: {}", (folder_.path() / "schema.json").string(),
                      error.what());
    }
  }

  /// Returns the file's JSON, null where there is no such file or it is damaged.
  Json read_json(const fs::path& file) {
    if (!fs::exists(file)) return nullptr;
    Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
    if (!json.is_discarded()) return json;
    problems_.push_back(file.filename().string() + " is damaged");
    return nullptr;
  }

  void read_environment() {
    const Json entries = read_json(folder_.path() / "environment.json");
    json_["environment"] = Json::array();
    if (!entries.is_array()) return;
    json_["environment"] = entries;
    for (const Json& entry : entries)
      if (entry.is_object() && entry.value("time", Json()).is_number())
        starts_.push_back(entry["time"]);
  }

  void read_course() {
    MetricColumns metrics = read_metrics(folder_.path(), starts_);
    json_["step"] = metrics.last_step;
    json_["hours"] = metrics.hours;
    json_["training"] = std::move(metrics.training);
    json_["validation"] = std::move(metrics.validation);
    if (metrics.unreadable_lines > 0)
      problems_.push_back(
          fmt::format("metrics.jsonl: {} unreadable lines", metrics.unreadable_lines));
  }

  /// Returns what the files named `<prefix>...json` hold, in the order of their names, where it is
  /// what `fits` says.
  Json read_kept(std::string_view prefix, bool (*fits)(const Json&)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix) && name.ends_with(".json")) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    Json kept = Json::array();
    for (const fs::path& file : files) {
      Json json = read_json(file);
      if (fits(json)) {
        kept.push_back(std::move(json));
      } else if (!json.is_null()) {
        problems_.push_back(file.filename().string() + " is damaged");
      }
    }
    return kept;
  }

  void read_checkpoints() {
    std::vector<std::string> skipped;
    const std::vector<int64_t> steps = folder_.checkpoints(&skipped);
    for (const std::string& line : skipped)
      if (line.find(".tmp-") == std::string::npos) problems_.push_back(line);
    const auto best = folder_.best();
    json_["best_step"] = best ? Json(*best) : Json(nullptr);
    json_["finished"] = false;
    json_["parameters"] = Json::object();
    json_["checkpoint_bytes"] = nullptr;
    if (steps.empty()) return;
    try {
      read_checkpoint(folder_.checkpoint(steps.back()));
    } catch (const DataError& error) {
      problems_.push_back(error.what());  // a running program may have removed it meanwhile
    }
  }

  void read_checkpoint(const fs::path& checkpoint) {
    const nlohmann::json manifest = open_checkpoint(checkpoint);
    json_["finished"] = manifest.value("finished", false);
    uint64_t bytes = 0;
    for (const auto& file : manifest.at("files")) bytes += file.at("size_bytes").get<uint64_t>();
    json_["checkpoint_bytes"] = bytes;
    const SafetensorsFile dense(checkpoint / "dense.safetensors");
    for (const auto& [name, tensor] : dense.entries()) {
      int64_t count = 1;
      for (const int64_t size : tensor.shape) count *= size;
      auto& module = json_["parameters"][name.substr(0, name.find('.'))];
      module = module.is_null() ? count : module.get<int64_t>() + count;
    }
  }

  RunFolder folder_;
  Json json_;
  std::vector<double> starts_;
  std::vector<std::string> problems_;
};

}  // namespace

RunRecord read_run(const fs::path& path, const std::string& name) {
  return RunReader(path, name).read();
}

}  // namespace lemur
