// Representations at evaluation time: the bank's, and of documents that it lacks (or of all, with
// bank.fresh_evaluation), encoded when they are first needed.
#pragma once

#include <span>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/model/document_bank.h"
#include "lemur/model/input_builder.h"
#include "lemur/model/model_state.h"

namespace lemur {

/// Leaves the bank as it is: what it encodes is kept in a bank of its own and forgotten with the
/// object. Not thread-safe.
class ContentCache {
 public:
  ContentCache(const SampleStore& store, ModelState& state);

  /// Returns [n, r] of distinct documents, encoding those that are not at hand.
  StoredContent documents(std::span<const uint32_t> documents);

  /// Says whether the state's bank holds the document, whether it is read or not.
  bool bank_has(uint32_t document) const { return bank_documents_.contains(document); }

  int64_t num_encoded() const { return fresh_.size(); }

 private:
  const SampleStore& store_;
  ModelState& state_;
  MemoryBank empty_, fresh_;
  DocumentBank bank_documents_, fresh_documents_;
  const bool reads_bank_;
};

}  // namespace lemur
