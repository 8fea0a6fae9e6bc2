// What the steps of ingest share.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "lemur/base/folder.h"
#include "lemur/data/database.h"
#include "lemur/data/ingest.h"
#include "lemur/data/sample_store.h"

namespace lemur {

/// One run of ingest: where it reads, where it writes, and what it has found out so far.
struct IngestContext {
  const IngestOptions& options;  ///< with `threads` at least 1
  Database& database;
  const FolderWriter& folder;
  nlohmann::json summary;
  StoreSchema schema = {};

  /// Tells how far a stage is; a total of 0 is unknown.
  void report(const char* stage, uint64_t done, uint64_t total = 0) const {
    if (options.progress)
      options.progress(stage, static_cast<int64_t>(done), static_cast<int64_t>(total));
  }
};

}  // namespace lemur
