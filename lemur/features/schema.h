// What the columns of a sample store mean: features, counters, histories, labels, splits.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/features/number_scale.h"

namespace lemur {

/// What the columns mean. Stored in the manifest under "schema".
struct StoreSchema {
  struct Feature {
    std::string name;  ///< column, or "rate(user)" / "count(user)" for a counter, or "bm25(title)"
                       ///< and the like for a match
    std::string of;    ///< document | user | context | cross
    bool is_number = false;
    bool is_document_id = false;  ///< the column is the document's ID
    int64_t width = 16, admit_after = 1;
    double init_scale = 0.01, expire_days = 0;
    std::string separator;  ///< cuts a category's text into items; empty: one item
    bool is_list = false;   ///< the input's column holds lists, which are not cut
    NumberScale scale;      ///< of a number; values at rest went through it, a missing one is 0
    bool is_match = false;  ///< a number of text match, which is not at rest but computed when read
  };
  struct Split {
    std::string name;
    uint64_t begin = 0, end = 0;  ///< range of events
  };
  struct TextField {
    std::string name;
    int64_t max_tokens = 0;
  };
  struct ImageField {
    std::string name;
    int64_t pixels = 0;       ///< side of the square
    uint64_t num_images = 0;  ///< at most one per document
  };
  struct History {
    std::string name;
    int64_t length = 0;
    std::string where;     ///< condition of features/condition.h; empty: every action
    int64_t delay_ms = 0;  ///< an action joins histories of requests that begin later than this
  };
  /// One [[data.counter]]; features/counter.h says what it counts.
  struct Counter {
    std::vector<std::string> by;       ///< columns of the key
    std::vector<uint8_t> of_document;  ///< per column: it is one of documents, not of events
    std::string label;
    int64_t window_ms = 0, delay_ms = 0;
    double smoothing = 0;
    std::vector<std::string> splits;               ///< whose events are counted; empty: all
    uint64_t rate_feature = 0, count_feature = 0;  ///< indices into `features`
  };
  /// One [[data.match]]; features/text_match.h says what it computes.
  struct Match {
    std::vector<uint64_t> fields;    ///< indices into `text`
    double k1 = 1.2, b = 0.75;       ///< of BM25
    std::vector<double> mean_words;  ///< per field and, of several, of all together: mean number
                                     ///< of words, over the documents that training shows
    uint64_t num_documents = 0;      ///< that training shows
    uint64_t first_feature = 0;      ///< index into `features` of the first of its numbers
  };
  std::vector<TextField> text;
  std::vector<ImageField> images;
  std::vector<Feature> features;  ///< in the order of the configuration, then counters, then match
  std::vector<Counter> counters;
  std::vector<Match> matches;
  std::vector<History> histories;
  std::vector<std::string> labels;
  std::vector<std::string> actions;  ///< names of actions; at most 255
  std::vector<Split> splits;
  bool has_queries = false;
  bool has_requests = false;        ///< a request column was given (else requests are derived)
  bool has_declared_times = false;  ///< data.time_format was given: times may lie anywhere
  int64_t vocabulary_size = 0;
  uint64_t num_documents = 0, num_users = 0, num_queries = 0, num_events = 0;

  nlohmann::json to_json() const;
  static StoreSchema from_json(const nlohmann::json& json);
  /// Returns the split of that name; throws InvalidArgument naming those that exist.
  const Split& split(std::string_view name) const;
};

/// Index of "no query" / "no document".
inline constexpr uint32_t kNone = 0xffffffff;

}  // namespace lemur
