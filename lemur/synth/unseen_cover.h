// The click probability as far as it can be told without a look at the documents' covers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lemur/synth/exposure.h"

namespace lemur {

/// One document at one position of a request. Valid as long as what it refers to.
struct ImpressionView {
  const Search& search;
  const User& user;
  uint32_t document;
  int64_t position;  ///< from 0, below kMostPositions
};

/// Takes the mean of p* over the visual topics that the document may have. Known are the topics of
/// its texts, its quality and author, what the user means and likes, the position, and that the
/// engine showed it. The last says much, because the engine looks for the query's topic: a document
/// whose texts are of other topics is there by chance or for the sake of its cover. By popularity
/// alone, covers of the wanted topic would seem far rarer than they are. What earlier impressions
/// of the document tell is not used: a model that knows documents by their ID may learn more. Not
/// thread-safe.
class UnseenCover {
 public:
  /// Keeps references to all. Requires: documents have visual topics.
  UnseenCover(const WorldOptions& options, const WorldDocuments& catalogue,
              const Exposure& exposure);

  /// Returns the expected p* of an impression whose p* has this logit. Requires: called before the
  /// next request is shown.
  double expected_p_star(const ImpressionView& shown, double logit) const;

  /// Counts where the engine put a document, for the impressions to come.
  void count(const ImpressionView& shown);

 private:
  static constexpr size_t kMostTopics = TopicMix::kMost + 2;
  struct Topics {
    std::array<uint32_t, kMostTopics> ids;
    size_t size = 0;
  };
  Topics relevant_topics(const ImpressionView& shown) const;
  bool is_textual(const ImpressionView& shown, uint32_t topic) const;
  double effect(const ImpressionView& shown, uint32_t topic) const;
  double likelihood(const ImpressionView& shown, uint32_t topic, double pull) const;

  const WorldOptions& options_;
  const std::vector<Document>& documents_;
  const Exposure& exposure_;
  std::vector<double> popularity_;  // of the topics; sums to 1
  // Documents whose texts are not of the query's topic, by position: other covers, matching covers.
  std::array<std::array<double, kMostPositions>, 2> positions_;
};

}  // namespace lemur
