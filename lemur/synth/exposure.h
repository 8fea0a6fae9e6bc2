// What the simulated search engine shows: a noisy mix of topic match, popularity and recency.
#pragma once

#include <cstdint>
#include <vector>

#include "lemur/synth/traffic.h"

namespace lemur {

/// The engine's index of the documents born so far and their clicks. Memory grows with documents
/// only. Not thread-safe.
class Exposure {
 public:
  /// Keeps a reference to `catalogue`.
  Exposure(const WorldOptions& options, const WorldDocuments& catalogue);

  /// Returns the documents shown, best position first: distinct, none born after the search, 6 to
  /// 12 of them or fewer where fewer exist. Requires: searches come in the order of time.
  const std::vector<uint32_t>& show(const Search& search, const User& user);

  /// Returns the chance that one draw of a candidate takes the document, by chance alone or for the
  /// sake of a topic if it is the document's: both for a document of average age and popularity.
  /// Requires: the document is born.
  double pull() const;
  double pull(const Search& search, const User& user, uint32_t document, uint32_t topic) const;

  /// Counts a click of the document.
  void clicked(uint32_t document) { ++clicks_[document]; }

 private:
  struct Ranked {
    double score;
    uint32_t document;
  };
  void add_newborn(int64_t now_ms);
  uint32_t draw(const std::vector<uint32_t>& from);
  uint32_t candidate(const Search& search, const User& user);
  double score(const Search& search, uint32_t document);

  const std::vector<Document>& documents_;
  const Shown shown_range_;
  Random random_;
  std::vector<uint32_t> clicks_;
  std::vector<std::vector<uint32_t>> by_topic_;  // born documents, oldest first
  uint32_t num_born_ = 0;
  std::vector<Ranked> ranked_;  // of the request in hand, kept for their memory
  std::vector<uint32_t> shown_;
};

}  // namespace lemur
