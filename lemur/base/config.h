// The configuration file: TOML to option structs and back, with errors that name the line and the
// nearest valid key.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lemur/base/options.h"

namespace lemur {

/// Parses a configuration. `overrides` are "section.key=value" (TOML values; a bare word is a
/// string), applied on top. Throws InvalidArgument naming `source`, the line and the key for an
/// unknown key (with the nearest valid one), a wrong type, a value out of range, or options that
/// contradict one another.
Options parse_options(std::string_view toml, std::string_view source,
                      std::span<const std::string> overrides = {});

/// Reads and parses a file. Throws InvalidArgument when it cannot be read.
Options load_options(const std::filesystem::path& file,
                     std::span<const std::string> overrides = {});

/// Returns the options as TOML, every key present: what a run stores beside its checkpoints.
/// parse_options reads it back.
std::string options_to_toml(const Options& options);

/// Returns every key with its value as TOML, in the order of the file: {"train.epochs", "3"};
/// tables of a list are numbered from 0: "data.text[0].column".
std::vector<std::pair<std::string, std::string>> flatten_options(const Options& options);

/// Returns docs/configuration.md.
std::string options_to_markdown();

/// Returns the candidate with the smallest edit distance to `word`; empty where there is none.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace lemur
