// Files of JSON lines, each of which belongs to a step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace lemur {

/// Keeps the whole lines of a file whose "step" is at most `step`: a crashed run may have gone
/// further than its checkpoint. Nothing where there is no such file. Throws DataError where it
/// cannot be written.
void drop_lines_after(const std::filesystem::path& file, int64_t step);

/// Appends text that ends with a line end, seen by readers on return. Throws DataError where it
/// cannot be written.
void append_lines(const std::filesystem::path& file, const std::string& lines);

}  // namespace lemur
