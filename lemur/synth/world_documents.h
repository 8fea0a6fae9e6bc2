// Documents and authors of the simulated world: what is hidden of them, and their texts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lemur/synth/words.h"
#include "lemur/synth/world.h"

namespace lemur {

/// Start of the log, milliseconds since 1970.
inline constexpr int64_t kLogStart = 1'700'000'000'000;
inline constexpr double kDayMs = 86'400'000;

/// Sparse vector over topics: a few topics with positive weights.
class TopicMix {
 public:
  static constexpr size_t kMost = 4;

  /// Adds a topic; merged where it is there already. Ignored when kMost topics are there.
  void add(uint32_t topic, double weight);
  /// Scales to length 1 (L2). Requires: not empty.
  void normalise();

  size_t size() const { return size_; }
  uint32_t topic(size_t i) const { return topics_[i]; }
  /// Returns the weight of a topic, 0 where it is missing.
  double weight_of(uint32_t topic) const;
  double dot(const TopicMix& other) const;
  /// Returns how likely draw() gives the topic.
  double share_of(uint32_t topic) const;
  /// Returns the other topics with their weights as they are.
  TopicMix without(uint32_t topic) const;
  /// Returns one of the topics, drawn by weight. Requires: not empty.
  uint32_t draw(Random& random) const;
  /// Puts another topic in place of the i-th; nothing happens when it is there already.
  void replace(size_t i, uint32_t topic);

 private:
  std::array<float, kMost> weights_{};
  std::array<uint16_t, kMost> topics_{};
  uint8_t size_ = 0;
};

struct Document {
  int64_t created_ms;
  uint32_t author;
  float quality;    ///< standard normal
  TopicMix topics;  ///< the main topic first; without the visual one of length 1 (L2)
  std::optional<uint16_t> visual_topic = {};  ///< the one of `topics` that no text tells of
};

/// Weights of the topics' popularity, which users, authors and covers share.
std::vector<double> topic_weights(int64_t topics);
/// Topics by their popularity.
WeightedIndex topic_popularity(int64_t topics);

/// All documents, in the order of their birth, and their authors. Texts are made when asked for,
/// never kept. Immutable.
class WorldDocuments {
 public:
  /// Keeps a reference to `lexicon`.
  WorldDocuments(const WorldOptions& options, const Lexicon& lexicon);

  const std::vector<Document>& documents() const { return documents_; }
  /// Returns the author's own part in a click, standard normal.
  double appeal(uint32_t author) const { return authors_[author].appeal; }
  /// Returns the group of the document's main topic.
  uint32_t category(uint32_t document) const;
  /// Says whether the document has a cover: nearly all have with images, none without.
  bool has_cover(uint32_t document) const;

  struct Texts {
    std::string title, ocr, asr, cover_ocr;
  };
  Texts texts(uint32_t document) const;

 private:
  struct Author {
    TopicMix focus;
    float appeal;
  };
  void make_authors(const WeightedIndex& popularity);
  void make_documents(const WeightedIndex& popularity);
  void add_visual_topics(const WeightedIndex& popularity);
  int64_t birth(int64_t document, Random& random) const;
  TopicMix draw_topics(const Author& author, const WeightedIndex& popularity, Random& random) const;
  std::string text(const TopicMix& topics, double mean_words, double topical_share,
                   Random& random) const;

  const WorldOptions options_;
  const Lexicon& lexicon_;
  std::vector<Author> authors_;
  std::vector<Document> documents_;
};

}  // namespace lemur
