// Counters as they stand: of the store's events and of what feedback has added since.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "lemur/features/counter.h"
#include "lemur/feedback/feedback_event.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/subject.h"

namespace lemur {

/// All members may be called from any thread. The catalogue must outlive it.
class LiveCounters {
 public:
  /// Reads the keys of every event that a counter counts.
  explicit LiveCounters(const Catalogue& catalogue);

  /// Counts an event by each counter whose label it has.
  void add(const FeedbackEvent& event);

  /// Returns what the request knows of the subject's key.
  CounterValues find(size_t counter, const Subject& subject) const;

  /// Columns of a counter's key that no request can give, so that their part is a missing value.
  std::vector<std::string> missing(size_t counter) const;

 private:
  /// Where a part of a key comes from.
  struct Part {
    enum class Source { kDocumentColumn, kUser, kDocument, kQuery, kFeature, kNothing };
    Source source = Source::kNothing;
    std::string column;
    const StoreSchema::Feature* feature = nullptr;  ///< of that name; null: there is none
  };
  Part part_of(const StoreSchema::Counter& counter, size_t column) const;
  uint64_t key(size_t counter, const Subject& subject) const;
  void build(size_t counter);

  const Catalogue& catalogue_;
  std::vector<std::vector<Part>> parts_;  // per counter, of its columns
  std::deque<CounterIndex> indices_;
};

}  // namespace lemur
