// The arms and tables of an ablation, as a file says them (configs/arms.toml).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

/// What is trained: overrides of a configuration.
struct Arm {
  std::string name, title;
  std::vector<std::string> set;              ///< those of the arm that it begins with included
  std::vector<std::string> without_queries;  ///< further ones where the store has no queries;
                                             ///< not passed on
  std::string needs_history;     ///< the arm is for stores that have this history; empty: for all
  std::string start_from;        ///< arm whose run of the same seed it starts from; empty: none
  bool pretraining = false;      ///< has no metric of its own: trained once per seed, not evaluated
  bool configured_rate = false;  ///< has the configuration's learning rate and no grid
};

/// A row of a table and the paper's figures: absolute in the row of the table's base, elsewhere
/// changes of AUC and QAUC against it, in percent. Nothing: the paper has none.
struct TableRow {
  std::string arm, title;
  std::optional<double> auc, qauc, parameters, flops;
};

struct AblationTable {
  std::string name, title;
  std::string base;        ///< arm that the others are compared with
  bool baselines = false;  ///< above its rows are those of `lemur baselines`, the best of which is
                           ///< the base
  std::vector<TableRow> rows;
};

struct Arms {
  std::vector<double> learning_rates;  ///< tried for every arm, the best on "valid" counts
  std::vector<Arm> arms;
  std::vector<AblationTable> tables;

  /// Throw InvalidArgument naming those that exist.
  const Arm& arm(std::string_view name) const;
  const AblationTable& table(std::string_view name) const;
};

/// Parses a file of arms. Throws InvalidArgument naming `source` and what is wrong: an unknown key,
/// an arm or base that is not there, a name that is there twice.
Arms parse_arms(std::string_view toml, std::string_view source);

/// Returns configs/arms.toml as it was when the program was built.
std::string_view published_arms();

}  // namespace lemur
