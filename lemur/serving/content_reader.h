// Representations of a request's query and documents: from the bank, from the caches, or encoded
// now.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/model/token_batch.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/rank_request.h"
#include "lemur/serving/recent_content.h"
#include "lemur/serving/serving_observer.h"
#include "lemur/serving/snapshot.h"
#include "lemur/text/word_splitter.h"

namespace lemur {

/// A document to be represented.
struct ContentSubject {
  const Candidate* candidate = nullptr;
  uint32_t document = kNone;  ///< index in the store
  uint64_t key = 0;           ///< hash_bytes of the ID
  uint8_t flags = 0;          ///< RankFlag, noted by ContentReader
};

/// Holds scratch memory: one per thread.
class ContentReader {
 public:
  /// `max_encoded` bounds the documents of one request that are encoded for it; `recent` hears what
  /// was encoded, now or before.
  ContentReader(const Catalogue& catalogue, int64_t max_encoded, RecentContent& recent,
                ServingObserver& observer);

  /// Returns [n, r], zeros where there is no content, which the flags say.
  torch::Tensor documents(Snapshot& snapshot, std::span<ContentSubject> subjects);

  /// Encodes documents of the store, which the bank lacks, into the snapshot's cache: those that it
  /// does not hold, at most as many as a request may have, the first ones first.
  void add_to_cache(Snapshot& snapshot, std::span<const uint32_t> documents);

  /// Encodes what was encoded of late into the caches of a snapshot that is new.
  void encode_recent(Snapshot& snapshot);

  /// A document's texts as word pieces, per text field of the schema: what the candidate gives,
  /// else the store's. `room` holds what is given, and must outlive the result.
  std::vector<std::span<const int32_t>> texts(const ContentSubject& subject,
                                              std::vector<std::vector<int32_t>>& room) const;

  /// Returns the word pieces of a raw query, all of them.
  std::vector<int32_t> query_tokens(std::string_view text);

  /// Returns [J, r] of raw texts; `is_empty[j]` is set where a text holds no word.
  torch::Tensor queries(Snapshot& snapshot, std::span<const std::string> texts,
                        std::vector<bool>& is_empty);

 private:
  struct Missing {
    size_t subject;
    uint64_t key;
  };
  uint64_t content_key(const ContentSubject& subject) const;
  DocumentContent content_of(const ContentSubject& subject) const;
  void encode(Snapshot& snapshot, std::span<ContentSubject> subjects,
              std::span<const Missing> missing, torch::Tensor& vectors);

  const Catalogue& catalogue_;
  const int64_t max_encoded_;
  RecentContent& recent_;
  ServingObserver& observer_;
  WordSplitter splitter_;
};

}  // namespace lemur
