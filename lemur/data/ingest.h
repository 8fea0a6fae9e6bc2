// Raw tables (Parquet, CSV, JSONL, SQL) to a sample store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "lemur/base/options.h"

namespace lemur {

struct IngestOptions {
  DataOptions data;
  TokenizerOptions tokenizer;
  std::filesystem::path base;   ///< folder that relative paths of the configuration refer to
  std::filesystem::path store;  ///< folder to write
  int64_t threads = 0;          ///< 0: all cores
  int64_t now_ms = 0;           ///< the present, by which times are judged; 0: the system's clock
  int64_t memory_limit_mb =
      1024;  ///< of DuckDB; sorting larger inputs spills to disk beside the store
  std::function<void(const std::string& stage, int64_t done, int64_t total)>
      progress;  ///< total 0: unknown; may be empty
};

/// Reads, checks and writes everything; returns the summary that is stored in the manifest under
/// "summary": counts of what was read, kept, left out and why. Throws InvalidArgument for a
/// configuration that does not fit the data (a missing column) and DataError naming file, column,
/// row and value for bad data. On failure no store appears and an older one stays.
nlohmann::json ingest(const IngestOptions& options);

}  // namespace lemur
