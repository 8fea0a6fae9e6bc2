// Which keys of the configuration may change in the middle of a run.
#pragma once

#include <string>
#include <vector>

#include "lemur/base/options.h"

namespace lemur {

/// Compares the options that a run was started with and those that it is to go on with. Returns a
/// line "key: old -> new" for each key that differs, of those that tell ingest what to read none.
/// Throws InvalidArgument naming every key that cannot change, with both values.
std::vector<std::string> changed_options(const Options& run, const Options& now);

}  // namespace lemur
