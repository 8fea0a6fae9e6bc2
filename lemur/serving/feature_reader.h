// Values of features for a candidate: the request's, else the store's, as ingest would have written
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/rank_request.h"

namespace lemur {

/// A request's document and user with their places in the store.
struct Subject {
  const RankRequest* request = nullptr;
  const Candidate* candidate = nullptr;
  uint32_t user = kNone, document = kNone;
};

/// What a feature is worth where the request does not name it: of documents the store's row; of the
/// user, and of counters by user or document alone, that of the newest event; IDs are always known;
/// everything else is missing, as NULL was at ingest. Immutable; any thread.
class FeatureReader {
 public:
  explicit FeatureReader(const Catalogue& catalogue);

  /// Appends the values of feature `feature` of the schema for a candidate. Throws InvalidArgument
  /// where the request gives a number for categories or the other way round.
  void append(size_t feature, const Subject& subject, Batch::Feature& values) const;

  size_t num_features() const { return sources_.size(); }

 private:
  enum class Source { kNone, kDocument, kDocumentId, kUserId, kQuery, kUserEvent, kDocumentEvent };
  struct Feature {
    Source source = Source::kNone;
    std::string separator;  ///< of names in one text; empty: a text is one name
  };
  Source source_of(const StoreSchema::Feature& feature) const;
  Source source_of_counter(const std::string& name) const;
  void append_given(size_t feature, const FeatureValue& value, Batch::Feature& values) const;
  void append_row(size_t feature, std::optional<uint64_t> row, Batch::Feature& values) const;
  void append_names(size_t feature, const std::vector<std::string>& names,
                    Batch::Feature& values) const;

  const Catalogue& catalogue_;
  std::vector<Feature> sources_;
};

}  // namespace lemur
