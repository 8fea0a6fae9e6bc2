// What a run was trained with: program, libraries, machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace lemur {

/// Returns {"lemur", "libtorch", "processor", "cpu_path", "cores", "threads", "memory_bytes"} of
/// this process and machine; "threads" are those that LibTorch uses. What the system does not tell
/// is null.
nlohmann::ordered_json describe_environment();

/// Appends an entry to the array in `<run>/environment.json`: "time" (seconds since 1970), "step"
/// (the last one that was done before), and describe_environment(). Returns false where a file that
/// is no array lay there: it was replaced.
bool note_environment(const std::filesystem::path& run, int64_t step);

}  // namespace lemur
