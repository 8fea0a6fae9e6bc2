// The report: what runs and benches wrote down, on one HTML page that needs nothing else.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lemur/report/run_record.h"

namespace lemur {

struct ReportInput {
  std::vector<std::filesystem::path> runs;       ///< folders of `lemur train`
  std::vector<std::filesystem::path> benches;    ///< files of what `lemur bench --json` printed
  std::vector<std::filesystem::path> ablations;  ///< tables that `lemur ablate` wrote as JSON
};

/// Returns {"lemur": version, "created": seconds since 1970, "runs": [RunRecord::json],
/// "configuration" (see configuration_differences), "bench": [lines, each with the "file" it is
/// of], "ablations": [tables]}. A run is named after its folder, or its path where two folders have
/// one name. Throws DataError where a folder holds no run, or naming the line that is no bench's or
/// the file that is no table.
nlohmann::ordered_json collect_report(const ReportInput& input);

/// Returns {"columns": [names], "rows": [{"key", "values": [text or null]}]}: the keys in which the
/// runs differ; of one run, those in which it differs from the defaults. Null: it lacks the key.
nlohmann::ordered_json configuration_differences(const std::vector<std::string>& names,
                                                 const std::vector<FlatOptions>& runs);

/// Returns the page of what collect_report returned. The data is only ever shown as text.
std::string report_page(const nlohmann::ordered_json& data);

}  // namespace lemur
