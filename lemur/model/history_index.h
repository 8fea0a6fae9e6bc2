// The batch's histories as one list of distinct documents and, per history, ragged indices into it.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/nn/ragged_history.h"

namespace lemur {

/// What the decoders and the similarity module read instead of a [B, N, r] tensor.
struct HistoryIndex {
  std::vector<uint32_t> documents;  ///< [U] distinct documents of all histories of the batch
  std::vector<RaggedHistory>
      histories;  ///< per history of the schema; `document` indexes `documents`

  /// Returns the histories with every element whose document is not `present` [U] marked missing
  /// (-1).
  std::vector<RaggedHistory> only(const std::vector<bool>& present) const;
};

/// Builds HistoryIndex objects; keeps scratch memory [num_documents] between batches. Not
/// thread-safe.
class HistoryIndexer {
 public:
  explicit HistoryIndexer(size_t num_documents) : index_of_(num_documents, kNone) {}

  HistoryIndex build(const Batch& batch);

 private:
  std::vector<uint32_t> index_of_;  // kNone except during build
};

}  // namespace lemur
