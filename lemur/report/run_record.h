// What the report says of one run, read from its folder.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace lemur {

using FlatOptions = std::vector<std::pair<std::string, std::string>>;  ///< see flatten_options

struct RunRecord {
  /// {"name", "step", "hours", "finished", "best_step" (or null), "training", "validation" (see
  /// MetricColumns), "evaluations": [what `lemur evaluate` kept], "baselines": [what `lemur
  /// baselines` kept], "environment": [...], "data": {counts of the schema}, "parameters": {module:
  /// count}, "checkpoint_bytes", "problems": [texts]}. What the run lacks is empty or null.
  nlohmann::ordered_json json;
  FlatOptions options;
};

/// Reads a run, which may still be training. Throws DataError where `path` holds no run or its
/// configuration or schema cannot be read; all else that is damaged is named under "problems".
RunRecord read_run(const std::filesystem::path& path, const std::string& name);

}  // namespace lemur
