// A table of an ablation: ours beside the paper's.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lemur/ablate/arms.h"

namespace lemur {

/// What the runs of a row gave.
struct ArmResult {
  std::optional<double> learning_rate;
  nlohmann::ordered_json valid;  ///< best metric on "valid" by learning rate tried
  std::vector<nlohmann::ordered_json> trained, measured;  ///< per seed, as ArmRunner returns them
};

/// Puts simple methods, as `lemur baselines --json` lists them, above the rows of a table and makes
/// the best of them its base: by QAUC, or UAUC and then AUC where none has it. Their arms are named
/// "baselines/<method>". Throws DataError where there is none or one has no name.
void add_baselines(const nlohmann::ordered_json& methods, AblationTable& table,
                   std::vector<ArmResult>& results);

/// Returns {"table", "title", "base", "seeds", "rows": [{"arm", "title", "learning_rate", "valid",
/// "auc", "qauc" and "uauc": {"by_seed", "mean", "half_width", "change_percent",
/// "change_half_width"}, "parameters", "flops_per_step", "samples_per_second", "hours", "paper":
/// {...}}]}. `results` are those of the table's rows. Changes are means over the seeds of (arm -
/// base) / base of the same seed, or of the base's only one, in percent; half widths are of 95%
/// confidence intervals; what is undefined is null.
nlohmann::ordered_json result_table(const AblationTable& table,
                                    const std::vector<ArmResult>& results);

/// Returns it as Markdown, with UAUC in the place of a QAUC that is undefined throughout, whose
/// columns stand below one another in a terminal too.
std::string table_to_markdown(const nlohmann::ordered_json& table);

}  // namespace lemur
