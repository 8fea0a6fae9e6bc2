// Values of features for a candidate: the request's, else the store's, as ingest would have written
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/live_counters.h"
#include "lemur/serving/subject.h"

namespace lemur {

/// What a feature is worth where the request does not name it: of documents the store's row; of the
/// user that of the newest event; counters as they stand at the request's time; text match as
/// the subject has it; IDs are always known; everything else is missing, as NULL was at ingest.
/// Immutable; any thread.
class FeatureReader {
 public:
  FeatureReader(const Catalogue& catalogue, const LiveCounters& counters);

  /// Appends the values of feature `feature` of the schema for a candidate. Throws InvalidArgument
  /// where the request gives names for a number, a fraction for a category, or a number beyond
  /// float32.
  void append(size_t feature, const Subject& subject, Batch::Feature& values) const;

  size_t num_features() const { return sources_.size(); }

 private:
  struct Source {
    enum class Kind {
      kNone,
      kDocument,
      kDocumentId,
      kUserId,
      kQuery,
      kUserEvent,
      kRate,
      kCount,
      kMatch
    };
    Kind kind = Kind::kNone;
    size_t index = 0;  ///< of the counter; of kMatch: in Subject::match
  };
  Source source_of(size_t feature) const;
  void append_given(size_t feature, const FeatureValue& value, Batch::Feature& values) const;
  void append_number(size_t feature, double value, Batch::Feature& values) const;
  void append_row(size_t feature, std::optional<uint64_t> row, Batch::Feature& values) const;
  void append_text(size_t feature, std::string_view text, Batch::Feature& values) const;

  const Catalogue& catalogue_;
  const LiveCounters& counters_;
  std::vector<Source> sources_;
};

}  // namespace lemur
