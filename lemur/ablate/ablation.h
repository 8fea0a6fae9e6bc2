// An ablation: every arm of a table with its best learning rate and all seeds, then the table.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lemur/ablate/arm_runner.h"
#include "lemur/ablate/arms.h"
#include "lemur/ablate/result_table.h"
#include "lemur/base/options.h"

namespace lemur {

struct AblationOptions {
  ArmRunnerOptions runner;
  std::vector<std::string> tables;     ///< of the file of arms
  int64_t seeds = 3;                   ///< 1 up to this
  std::vector<double> learning_rates;  ///< tried for every arm with the first seed; empty: the
                                       ///< configuration's, untried
};

/// Runs go one after the other. Whatever is finished is not run again, so that one that was killed
/// goes on and ends with the same tables. Not thread-safe.
class Ablation {
 public:
  /// Throws InvalidArgument where a table, an arm's overrides or a learning rate does not fit.
  Ablation(AblationOptions options, const Arms& arms, const StoreSchema& schema);

  /// Runs all tables and gives each, once it is finished, to `finished`: as result_table returns
  /// it, with its "split", "learning_rates" and "notes". Throws Stopped where a signal ended it.
  void run(const std::function<void(const nlohmann::ordered_json&)>& finished);

  /// Says what `run` would do, an arm a line, and how long it would take by a few steps of each
  /// arm that is not finished.
  std::string plan();

 private:
  struct Rows {
    AblationTable table;  // without rows that the store has no data for or that are the same
    std::vector<std::string> notes;
  };
  std::vector<double> rates(const Arm& arm) const;
  std::optional<double> best_rate(const Arm& arm) const;
  ArmResult run_arm(const Arm& arm);
  std::vector<const Arm*> arms_in_order() const;
  std::vector<ArmRun> runs_of(const Arm& arm) const;
  Options configuration_of(const Arm& arm) const;
  double hours_of_run(const Arm& arm);
  Rows rows_of(const std::string& table) const;
  void merge_equal_rows(AblationTable& table) const;

  AblationOptions options_;
  const Arms& arms_;
  const StoreSchema& schema_;
  ArmRunner runner_;
  std::vector<Rows> tables_;
};

}  // namespace lemur
