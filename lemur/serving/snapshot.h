// A checkpoint as it answers requests: dense weights, tables, bank and what was encoded with them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "lemur/data/run_folder.h"
#include "lemur/model/model_state.h"
#include "lemur/serving/vector_cache.h"

namespace lemur {

struct SnapshotOptions {
  bool int8 = false;                  ///< dense layers of the ranker in 8 bits
  size_t cached_queries = 100'000;    ///< vectors kept
  size_t cached_documents = 100'000;  ///< of documents that the bank lacks
};

/// One version of the model. The model never changes; the caches belong to the one thread that
/// scores.
struct Snapshot {
  std::string version;       ///< name of the checkpoint
  int64_t loaded_at_ms = 0;  ///< since 1970
  int64_t step = 0;          ///< of training
  int64_t bank_rows = 0;     ///< documents in the bank
  int64_t size_bytes = 0;    ///< of weights, tables and bank
  ModelState state;
  VectorCache queries, documents;  ///< by hash of what was encoded
};

/// Loads and verifies a checkpoint of a run. Throws DataError where it is damaged or does not fit.
std::shared_ptr<Snapshot> load_snapshot(const RunFolder& run,
                                        const std::filesystem::path& checkpoint,
                                        const SnapshotOptions& options);

}  // namespace lemur
