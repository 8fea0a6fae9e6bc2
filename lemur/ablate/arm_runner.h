// Trains and evaluates single runs of an ablation as processes of their own, each only once.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lemur/ablate/arms.h"
#include "lemur/data/sample_store.h"

namespace lemur {

/// Thrown where a signal stopped a run; its checkpoint is kept.
struct Stopped {};

struct ArmRunnerOptions {
  std::filesystem::path program;  ///< lemur
  std::filesystem::path config, store;
  std::filesystem::path folder;  ///< of the ablation: everything is written under it
  std::string split = "test";    ///< that runs are measured on
  std::vector<std::string> set;  ///< overrides of the configuration; those of an arm count more
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const std::string&)> report;  ///< gets a line before and after a run
};

/// One run of an arm.
struct ArmRun {
  const Arm* arm;
  std::optional<double> learning_rate;  ///< nothing: the configuration's
  int64_t seed;
};

/// What a short trial says of an arm's cost.
struct ArmCost {
  double samples_per_second = 0, evaluation_seconds = 0;
};

/// A run lies in `folder`/runs/<arm>/<learning rate>/seed-<seed>/, its result beside it in a file
/// of that name and .json. A run that is there is not trained again; one that was stopped, by
/// whatever, is gone on with. Throws InvalidArgument where what is there was made with another
/// configuration or store, DataError where a process fails. Not thread-safe.
class ArmRunner {
 public:
  ArmRunner(ArmRunnerOptions options, const Arms& arms, const StoreSchema& schema);

  /// The arm's overrides of the configuration on this store.
  std::vector<std::string> overrides(const Arm& arm) const;

  /// Trains and returns {"valid" (its best metric there, higher is better; or null), "best_step",
  /// "steps", "parameters" (dense), "flops_per_step" (or null), "samples_per_second" (or null),
  /// "hours"}. Trains before what the arm starts from, whose hours are then "hours_before".
  nlohmann::ordered_json train(const ArmRun& run);

  /// Trains, evaluates the best checkpoint and returns what `lemur evaluate --json` printed.
  nlohmann::ordered_json evaluate(const ArmRun& run);

  /// Runs `lemur baselines` on the split and returns its methods. Their result lies in
  /// `folder`/runs/baselines-<split>.json and is found there again, likewise.
  nlohmann::ordered_json baselines();

  /// What `baselines` returned; nothing while it has something to do.
  std::optional<nlohmann::ordered_json> measured_baselines() const;

  /// What `train` returned; nothing while it has something to do.
  std::optional<nlohmann::ordered_json> trained(const ArmRun& run) const;

  /// Trains a few steps in a folder that is removed again.
  ArmCost measure(const Arm& arm);

 private:
  std::filesystem::path folder_of(const ArmRun& run) const;
  std::filesystem::path baselines_file() const;
  ArmRun start_of(const ArmRun& run) const;
  nlohmann::ordered_json read_result(const ArmRun& run) const;
  void write_result(const ArmRun& run, const nlohmann::ordered_json& result) const;
  nlohmann::ordered_json identity(const ArmRun& run) const;
  std::vector<std::string> overrides(const ArmRun& run) const;
  void call_train(const std::filesystem::path& folder, const std::vector<std::string>& flags,
                  const std::vector<std::string>& overrides) const;
  void call(const std::vector<std::string>& arguments, const std::filesystem::path& output) const;

  ArmRunnerOptions options_;
  const Arms& arms_;
  const StoreSchema& schema_;
  std::string store_hash_;
};

/// Returns "lr 0.001 seed 2".
std::string describe(const ArmRun& run);

}  // namespace lemur
