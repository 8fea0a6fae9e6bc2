// What the training split counts: impressions by document, user and query, and reads of documents.
#pragma once

#include <cstdint>
#include <vector>

#include "lemur/data/sample_store.h"

namespace lemur {

/// Impressions of the training split with a weight, by what they show and to whom.
struct TrainingCounts {
  std::vector<uint32_t> documents;  ///< [num_documents]
  std::vector<uint32_t> users;      ///< [num_users]
  std::vector<uint32_t> queries;    ///< [num_queries]
};

TrainingCounts count_training(const SampleStore& store);

/// Returns how often an epoch of training reads each document [num_documents]: as the target of an
/// impression with a weight, and for each time that it stands in a history of one.
std::vector<uint64_t> count_reads(const SampleStore& store);

}  // namespace lemur
