// The course of a run, metrics.jsonl, as columns to plot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

namespace lemur {

/// Columns of equal length by name: "step", "hours" (spent training until then, without the pauses
/// between an end and a resume), and what the lines hold, null where a line lacks it. Numbers are
/// rounded to six digits.
struct MetricColumns {
  nlohmann::ordered_json training;    ///< lines of intervals
  nlohmann::ordered_json validation;  ///< lines of evaluations: "valid/..."
  int64_t last_step = 0;
  double hours = 0;              ///< until the last line
  int64_t unreadable_lines = 0;  ///< but for a last one without an end, which is being written
};

/// Reads `<run>/metrics.jsonl`; without the file everything is empty. Where there are more than
/// `most_lines` lines of intervals, neighbours are averaged under the step of the last of them.
/// `starts`: when the program was started or resumed, seconds since 1970, ascending; may be empty.
MetricColumns read_metrics(const std::filesystem::path& run, std::span<const double> starts,
                           size_t most_lines = 1000);

}  // namespace lemur
