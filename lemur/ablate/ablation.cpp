#include "lemur/ablate/ablation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "lemur/base/config.h"
#include "lemur/base/error.h"

namespace lemur {
namespace {

using Json = nlohmann::ordered_json;

std::string duration(double hours) {
  if (hours < 1.0 / 60) return fmt::format("{:.1f} s", hours * 3600);
  return hours < 1 ? fmt::format("{:.1f} min", hours * 60) : fmt::format("{:.1f} h", hours);
}

bool has_history(const StoreSchema& schema, const std::string& name) {
  return name.empty() ||
         std::ranges::count(schema.histories, name, &StoreSchema::History::name) > 0;
}

bool on_edge(std::optional<double> chosen, const std::vector<double>& grid) {
  if (!chosen || grid.size() < 2) return false;
  const auto [smallest, largest] = std::ranges::minmax(grid);
  return *chosen == smallest || *chosen == largest;
}

bool has_events(const StoreSchema& schema, const std::string& split) {
  return std::ranges::any_of(schema.splits, [&](const StoreSchema::Split& s) {
    return s.name == split && s.end > s.begin;
  });
}

}  // namespace

Ablation::Ablation(AblationOptions options, const Arms& arms, const StoreSchema& schema)
    : options_(std::move(options)),
      arms_(arms),
      schema_(schema),
      runner_(options_.runner, arms, schema) {
  if (options_.seeds < 1)
    fail<InvalidArgument>("ablate", "{} seeds; give at least 1", options_.seeds);
  const std::vector<double>& learning_rates = options_.learning_rates;
  for (const double rate : learning_rates) {
    if (!(rate > 0)) fail<InvalidArgument>("ablate", "a learning rate of {} trains nothing", rate);
    if (std::ranges::count(learning_rates, rate) > 1)
      fail<InvalidArgument>("ablate", "the learning rate {} is there twice", rate);
    std::vector<std::string> overrides = options_.runner.set;
    overrides.push_back(fmt::format("train.learning_rate={}", rate));
    load_options(options_.runner.config, overrides);  // which knows its range
  }
  for (const std::string& override : options_.runner.set)
    if (override.starts_with("train.seed="))
      fail<InvalidArgument>("ablate", "the seeds are 1 up to --seeds; leave out --set {}",
                            override);
  if (!has_events(schema, options_.runner.split))
    fail<InvalidArgument>("ablate", "the store has no events of split '{}' to measure the runs on",
                          options_.runner.split);
  if (learning_rates.size() > 1 && !has_events(schema, "valid"))
    fail<InvalidArgument>("ablate",
                          "the store has no events of split 'valid' to choose among the learning "
                          "rates {}; give one",
                          fmt::join(learning_rates, ", "));
  for (const std::string& table : options_.tables) tables_.push_back(rows_of(table));
  for (const Arm* arm : arms_in_order())  // before hours are spent on those before it
    configuration_of(*arm);
}

/// The arm's configuration; where it starts from another arm's run, that arm's name stands there.
Options Ablation::configuration_of(const Arm& arm) const {
  std::vector<std::string> overrides = runner_.overrides(arm);
  if (!arm.start_from.empty()) overrides.push_back("train.start_from=" + arm.start_from);
  return load_options(options_.runner.config, overrides);
}

Ablation::Rows Ablation::rows_of(const std::string& table) const {
  Rows rows{arms_.table(table), {}};
  std::erase_if(rows.table.rows, [&](const TableRow& row) {
    const std::string& history = arms_.arm(row.arm).needs_history;
    if (has_history(schema_, history)) return false;
    rows.notes.push_back(
        fmt::format("{}: left out, the store has no history '{}'", row.title, history));
    return true;
  });
  if (std::ranges::count(rows.table.rows, rows.table.base, &TableRow::arm) == 0)
    fail<InvalidArgument>("ablate",
                          "table '{}': its base '{}' needs a history that the store lacks", table,
                          rows.table.base);
  merge_equal_rows(rows.table);
  return rows;
}

/// Leaves out a row whose arm the configuration makes the same as the base or one above; the row
/// that stays takes its title too.
void Ablation::merge_equal_rows(AblationTable& table) const {
  std::vector<TableRow> kept;
  std::map<std::string, std::string> arm_of;  // by configuration
  const auto configuration = [&](const std::string& arm) {
    return options_to_toml(configuration_of(arms_.arm(arm)));
  };
  arm_of[configuration(table.base)] = table.base;
  std::map<std::string, std::string> other_titles;
  for (TableRow& row : table.rows) {
    const std::string& first = arm_of.try_emplace(configuration(row.arm), row.arm).first->second;
    if (first == row.arm) {
      kept.push_back(std::move(row));
    } else {
      other_titles[first] += fmt::format(" ({})", row.title);
    }
  }
  for (TableRow& row : kept) row.title += other_titles[row.arm];
  table.rows = std::move(kept);
}

/// The arms of all tables, each once, each behind the one that it starts from.
std::vector<const Arm*> Ablation::arms_in_order() const {
  std::vector<const Arm*> order;
  const auto add = [&](const Arm& arm) {
    if (std::ranges::count(order, &arm) == 0) order.push_back(&arm);
  };
  for (const Rows& rows : tables_)
    for (const TableRow& row : rows.table.rows) {
      const Arm& arm = arms_.arm(row.arm);
      if (!arm.start_from.empty()) add(arms_.arm(arm.start_from));
      add(arm);
    }
  return order;
}

/// The learning rates to try; nothing stands for the configuration's, or the one that the arm sets.
std::vector<double> Ablation::rates(const Arm& arm) const {
  const bool has_its_own = std::ranges::any_of(arm.set, [](const std::string& override) {
    return override.starts_with("train.learning_rate=");
  });
  return arm.pretraining || arm.configured_rate || has_its_own ? std::vector<double>{}
                                                               : options_.learning_rates;
}

/// The learning rate whose run with the first seed is the best on valid, of those that are trained;
/// the first one where none is.
std::optional<double> Ablation::best_rate(const Arm& arm) const {
  std::optional<double> chosen;
  double best = -INFINITY;
  for (const double rate : rates(arm)) {
    if (!chosen) chosen = rate;
    const std::optional<Json> trained = runner_.trained({&arm, rate, 1});
    const Json valid = trained ? trained->at("valid") : Json();
    if (valid.is_number() && valid.get<double>() > best) best = valid, chosen = rate;
  }
  return chosen;
}

/// All runs of an arm, with what is known of its best learning rate.
std::vector<ArmRun> Ablation::runs_of(const Arm& arm) const {
  std::vector<ArmRun> runs;
  for (const double rate : rates(arm)) runs.push_back({&arm, rate, 1});
  if (runs.empty()) runs.push_back({&arm, std::nullopt, 1});
  const std::optional<double> chosen = best_rate(arm);
  for (int64_t seed = 2; seed <= options_.seeds; ++seed) runs.push_back({&arm, chosen, seed});
  return runs;
}

ArmResult Ablation::run_arm(const Arm& arm) {
  ArmResult result;
  const std::vector<double> tried = rates(arm);
  for (size_t i = 0; tried.size() > 1 && i < tried.size(); ++i) {
    const Json valid = runner_.train({&arm, tried[i], 1})["valid"];
    result.valid[fmt::format("{}", tried[i])] = valid;
    if (!valid.is_number())
      fail<DataError>("ablate", "{}: no metric on valid", describe({&arm, tried[i], 1}));
  }
  result.learning_rate = best_rate(arm);
  for (int64_t seed = 1; seed <= options_.seeds; ++seed) {
    const ArmRun run{&arm, result.learning_rate, seed};
    result.trained.push_back(runner_.train(run));
    result.measured.push_back(runner_.evaluate(run));
  }
  return result;
}

void Ablation::run(const std::function<void(const Json&)>& finished) {
  for (const Rows& rows : tables_) {
    std::vector<ArmResult> results;
    std::vector<std::string> notes = rows.notes;
    std::vector<std::string> on_edges;
    const Json methods = rows.table.baselines ? runner_.baselines() : Json();
    for (const TableRow& row : rows.table.rows) {
      results.push_back(run_arm(arms_.arm(row.arm)));
      if (on_edge(results.back().learning_rate, options_.learning_rates))
        on_edges.push_back(row.title);
      const Json before = results.back().trained[0].value("hours_before", Json());
      if (before.is_number())
        notes.push_back(fmt::format("{}: without the {} that its {} took with seed 1", row.title,
                                    duration(before.get<double>()),
                                    arms_.arm(arms_.arm(row.arm).start_from).title));
    }
    if (!on_edges.empty())
      notes.push_back(fmt::format("the best learning rate is on an edge of the grid: {}",
                                  fmt::join(on_edges, ", ")));
    AblationTable all = rows.table;
    if (all.baselines) add_baselines(methods, all, results);
    for (const Json& method : methods)
      notes.push_back(fmt::format("{}: {}", method["name"].get<std::string>(),
                                  method.value("how", std::string())));
    Json table = result_table(all, results);
    table["split"] = options_.runner.split;
    table["learning_rates"] = options_.learning_rates;
    table["notes"] = notes;
    finished(table);
  }
}

/// By a few steps and an evaluation.
double Ablation::hours_of_run(const Arm& arm) {
  const Options options = configuration_of(arm);
  const TrainOptions& train = options.train;
  const auto& split = schema_.split("train");
  const auto per_epoch =
      static_cast<int64_t>(split.end - split.begin + train.batch_size - 1) / train.batch_size;
  int64_t steps = per_epoch * train.most_epochs(train.metric != "none");
  if (train.max_steps > 0) steps = std::min(steps, train.max_steps);
  const int64_t every = train.evaluate_every > 0 ? train.evaluate_every : per_epoch;
  const int64_t evaluations = steps / every + 1;
  const ArmCost cost = runner_.measure(arm);
  if (cost.samples_per_second <= 0) return 0;
  const double training = static_cast<double>(steps * train.batch_size) / cost.samples_per_second;
  return (training + cost.evaluation_seconds * static_cast<double>(evaluations)) / 3600;
}

std::string Ablation::plan() {
  std::string text;
  double left = 0;
  size_t missing = 0;
  for (const Arm* arm : arms_in_order()) {
    const std::vector<ArmRun> runs = runs_of(*arm);
    size_t done = 0;
    for (const ArmRun& run : runs) done += runner_.trained(run).has_value();
    const double hours = done < runs.size() ? hours_of_run(*arm) : 0;
    left += hours * static_cast<double>(runs.size() - done);
    missing += runs.size() - done;
    text += fmt::format("{}: {} runs, {} finished", arm->name, runs.size(), done);
    if (done < runs.size()) text += fmt::format(", about {} each", duration(hours));
    text += fmt::format("\n    {}\n", fmt::join(runner_.overrides(*arm), " "));
  }
  for (const Rows& rows : tables_) {
    if (rows.table.baselines)
      text += fmt::format("simple methods on {}: {}\n", options_.runner.split,
                          runner_.measured_baselines() ? "finished" : "to go");
    for (const std::string& note : rows.notes) text += note + "\n";
  }
  text += fmt::format(
      "learning rates {} with seed 1, the best on valid with seeds 1 to {}\n{} runs to go, about "
      "{} by 12 steps and an evaluation of each arm, were nothing stopped early\n",
      fmt::join(options_.learning_rates, " "), options_.seeds, missing, duration(left));
  return text;
}

}  // namespace lemur
