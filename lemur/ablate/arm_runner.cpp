#include "lemur/ablate/arm_runner.h"

#include <fmt/format.h>

#include <fstream>

#include "lemur/ablate/child_process.h"
#include "lemur/base/config.h"
#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/hash.h"
#include "lemur/data/run_folder.h"
#include "lemur/report/run_record.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kInterrupted = 130;

std::string hex_hash(std::string_view bytes) { return fmt::format("{:016x}", hash_bytes(bytes)); }

std::string rate_name(const ArmRun& run) {
  return run.learning_rate ? fmt::format("lr-{}", *run.learning_rate) : "lr-configured";
}

/// Last line of a log, for an error message.
std::string last_line(const fs::path& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

/// Keeps of every key the last override, which is the one that counts.
std::vector<std::string> without_replaced(const std::vector<std::string>& overrides) {
  const auto key_of = [](const std::string& text) { return text.substr(0, text.find('=')); };
  std::vector<std::string> kept;
  for (const std::string& text : overrides) {
    std::erase_if(kept, [&](const std::string& other) { return key_of(other) == key_of(text); });
    kept.push_back(text);
  }
  return kept;
}

/// Mean of the values of a column of the report, null where there is none.
Json mean_of(const Json& columns, const char* name) {
  if (!columns.contains(name)) return nullptr;
  double sum = 0;
  int64_t count = 0;
  for (const Json& value : columns[name])
    if (value.is_number()) sum += value.get<double>(), ++count;
  return count > 0 ? Json(sum / static_cast<double>(count)) : Json(nullptr);
}

/// What a finished run says of itself.
Json summary_of(const fs::path& path) {
  const RunFolder folder(path);
  const std::vector<int64_t> steps = folder.checkpoints();
  if (steps.empty()) fail<DataError>("ablate", "{} has no checkpoint", path.string());
  const nlohmann::json manifest = open_checkpoint(folder.checkpoint(steps.back()));
  const Json record = read_run(path, path.string()).json;
  int64_t parameters = 0, flops = 0;
  for (const auto& [module, count] : record["parameters"].items())
    parameters += count.get<int64_t>();
  const nlohmann::json by_part = manifest.value("flops", nlohmann::json::object());
  for (const auto& [part, count] : by_part.items()) flops += count.get<int64_t>();
  const auto step = manifest.at("step").get<int64_t>();
  Json result = {{"valid", manifest.at("best")},
                 {"best_step", manifest.at("best_step")},
                 {"steps", step},
                 {"parameters", parameters},
                 {"flops_per_step", nullptr},
                 {"samples_per_second", mean_of(record["training"], "train/samples_per_second")},
                 {"hours", record["hours"]}};
  if (flops > 0) result["flops_per_step"] = static_cast<double>(flops) / static_cast<double>(step);
  return result;
}

}  // namespace

std::string describe(const ArmRun& run) {
  const std::string rate =
      run.learning_rate ? fmt::format(" lr {}", *run.learning_rate) : std::string();
  return fmt::format("{}{} seed {}", run.arm->name, rate, run.seed);
}

ArmRunner::ArmRunner(ArmRunnerOptions options, const Arms& arms, const StoreSchema& schema)
    : options_(std::move(options)),
      arms_(arms),
      schema_(schema),
      store_hash_(hex_hash(read_file(options_.store / "manifest.json"))) {}

fs::path ArmRunner::folder_of(const ArmRun& run) const {
  return options_.folder / "runs" / run.arm->name / rate_name(run) /
         fmt::format("seed-{}", run.seed);
}

std::vector<std::string> ArmRunner::overrides(const Arm& arm) const {
  std::vector<std::string> all = options_.set;
  all.insert(all.end(), arm.set.begin(), arm.set.end());
  if (!schema_.has_queries)
    all.insert(all.end(), arm.without_queries.begin(), arm.without_queries.end());
  return without_replaced(all);
}

std::vector<std::string> ArmRunner::overrides(const ArmRun& run) const {
  std::vector<std::string> all = overrides(*run.arm);
  all.push_back(fmt::format("train.seed={}", run.seed));
  all.push_back("train.keep_checkpoints=1");
  if (run.learning_rate) all.push_back(fmt::format("train.learning_rate={}", *run.learning_rate));
  if (!run.arm->start_from.empty())
    all.push_back("train.start_from=" + fs::absolute(folder_of(start_of(run))).string());
  return all;
}

/// The run that one starts from.
ArmRun ArmRunner::start_of(const ArmRun& run) const {
  return {&arms_.arm(run.arm->start_from), std::nullopt, run.seed};
}

/// What must be equal for a result to count: every option, those of the run that it starts from in
/// place of that run's folder, and the store.
Json ArmRunner::identity(const ArmRun& run) const {
  Options options = load_options(options_.config, overrides(run));
  if (!run.arm->start_from.empty())
    options.train.start_from = identity(start_of(run))["configuration"];
  return {{"configuration", hex_hash(options_to_toml(options))}, {"store", store_hash_}};
}

Json ArmRunner::read_result(const ArmRun& run) const {
  fs::path file = folder_of(run);
  file += ".json";
  if (!fs::exists(file)) return nullptr;
  Json result = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  const Json wanted = identity(run);
  for (const auto& [key, value] : wanted.items())
    if (!result.is_object() || !result.contains(key)) return nullptr;  // damaged
  for (const auto& [key, value] : wanted.items())
    if (result[key] != value)
      fail<InvalidArgument>("ablate", "{} was begun with another {}; give another --run",
                            folder_of(run).string(), key);
  return result;
}

void ArmRunner::write_result(const ArmRun& run, const Json& result) const {
  fs::path file = folder_of(run);
  file += ".json";
  fs::create_directories(file.parent_path());
  write_file_atomically(file, result.dump(1) + "\n");
}

/// Trains in `folder`. `flags` are those of `lemur train` beside its files.
void ArmRunner::call_train(const fs::path& folder, const std::vector<std::string>& flags,
                           const std::vector<std::string>& overrides) const {
  std::vector<std::string> arguments = {
      "train", "--config",     options_.config.string(), "--store", options_.store.string(),
      "--run", folder.string()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  arguments.emplace_back("--set");
  arguments.insert(arguments.end(), overrides.begin(), overrides.end());
  call(arguments, "/dev/null");
}

void ArmRunner::call(const std::vector<std::string>& arguments, const fs::path& output) const {
  ChildOptions child{.command = {options_.program.string()},
                     .output = output,
                     .log = options_.folder / "log.txt",
                     .stop = options_.stop};
  child.command.insert(child.command.end(), arguments.begin(), arguments.end());
  const int code = run_child(child);
  if (code == kInterrupted || (options_.stop != nullptr && *options_.stop)) throw Stopped{};
  if (code != 0)
    fail<DataError>("ablate", "lemur {} ended with exit code {}: {} (all of it in {})",
                    arguments[0], code, last_line(child.log), child.log.string());
}

std::optional<Json> ArmRunner::trained(const ArmRun& run) const {
  const Json result = read_result(run);
  if (!result.is_object() || !result.contains("trained")) return std::nullopt;
  const Json& trained = result["trained"];
  if (!trained.is_object() || !trained.contains("valid") ||
      !trained.value("hours", Json()).is_number())
    return std::nullopt;  // damaged
  return trained;
}

Json ArmRunner::train(const ArmRun& run) {
  if (const std::optional<Json> before = trained(run)) return *before;
  Json before = nullptr;
  if (!run.arm->start_from.empty()) before = train(start_of(run))["hours"];
  const fs::path folder = folder_of(run);
  Json result = identity(run);
  write_result(run, result);
  const bool begun = RunFolder(folder).exists();
  options_.report(fmt::format("{} {}", begun ? "going on with" : "training", describe(run)));
  call_train(folder, begun ? std::vector<std::string>{"--resume"} : std::vector<std::string>{},
             overrides(run));
  result["trained"] = summary_of(folder);
  if (!before.is_null()) result["trained"]["hours_before"] = before;
  write_result(run, result);
  return result["trained"];
}

Json ArmRunner::evaluate(const ArmRun& run) {
  train(run);
  Json result = read_result(run);
  const std::string key = "measured on " + options_.split;
  if (result.contains(key) && result[key].is_object()) return result[key];
  const fs::path output = options_.folder / "evaluation.json";
  call({"evaluate", "--run", folder_of(run).string(), "--store", options_.store.string(), "--split",
        options_.split, "--json"},
       output);
  result[key] = Json::parse(read_file(output), nullptr, /*allow_exceptions=*/false);
  if (!result[key].is_object())
    fail<DataError>("ablate", "lemur evaluate printed no JSON object for {}", describe(run));
  write_result(run, result);
  fs::remove(output);
  return result[key];
}

fs::path ArmRunner::baselines_file() const {
  return options_.folder / "runs" / fmt::format("baselines-{}.json", options_.split);
}

std::optional<Json> ArmRunner::measured_baselines() const {
  if (!fs::exists(baselines_file())) return std::nullopt;
  const Json result = Json::parse(read_file(baselines_file()), nullptr, /*allow_exceptions=*/false);
  if (!result.is_object() || !result.value("store", Json()).is_string() ||
      !result.value("methods", Json()).is_array())
    return std::nullopt;  // damaged
  if (result["store"] != store_hash_)
    fail<InvalidArgument>("ablate", "{} is of another store; give another --run",
                          baselines_file().string());
  return result["methods"];
}

Json ArmRunner::baselines() {
  if (const std::optional<Json> before = measured_baselines()) return *before;
  options_.report(fmt::format("simple methods on {}", options_.split));
  fs::create_directories(baselines_file().parent_path());
  const fs::path output = options_.folder / "methods.json";
  call({"baselines", "--store", options_.store.string(), "--split", options_.split, "--json",
        output.string()},
       "/dev/null");
  const Json printed = Json::parse(read_file(output), nullptr, /*allow_exceptions=*/false);
  if (!printed.is_object() || !printed.value("methods", Json()).is_array())
    fail<DataError>("ablate", "lemur baselines wrote no methods");
  const Json result = {{"store", store_hash_}, {"methods", printed["methods"]}};
  write_file_atomically(baselines_file(), result.dump(1) + "\n");
  fs::remove(output);
  return result["methods"];
}

ArmCost ArmRunner::measure(const Arm& arm) {
  const fs::path folder = options_.folder / "trial";
  fs::remove_all(folder);
  std::vector<std::string> short_run = overrides(arm);
  for (const char* override :
       {"train.max_steps=12", "train.log_every=4", "train.evaluate_every=0",
        "train.checkpoint_every=1000000", "train.freeze_encoder_steps=0", "bank.fill=false"})
    short_run.emplace_back(override);
  call_train(folder, {}, short_run);
  const Json record = read_run(folder, "trial").json;
  fs::remove_all(folder);
  const Json &training = record["training"], &validation = record["validation"];
  const Json rates = training.value("train/samples_per_second", Json::array());
  ArmCost cost;
  if (!rates.empty() && rates.back().is_number()) cost.samples_per_second = rates.back();
  if (!validation["hours"].empty())
    cost.evaluation_seconds =
        3600 * (validation["hours"].back().get<double>() - training["hours"].back().get<double>());
  return cost;
}

}  // namespace lemur
