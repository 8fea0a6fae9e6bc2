// The words of the simulated world: pronounceable, with topics that prefer words of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/synth/random.h"

namespace lemur {

/// Returns `count` distinct lower-case words made of 2 or more syllables.
std::vector<std::string> make_words(int64_t count, Random& random);

struct LexiconOptions {
  int64_t topics = 64;
  int64_t words_per_topic = 40;     ///< concepts of a topic; each has two forms, synonyms
  int64_t background_words = 3000;  ///< words that say nothing about the topic
  double shared_words = 0.1;        ///< share of a topic's concepts that another topic has as well
};

/// Words by topic, Zipf-distributed inside a topic, and a Zipf-distributed background. Immutable.
class Lexicon {
 public:
  /// Requires: every count is positive.
  Lexicon(const LexiconOptions& options, uint64_t seed);

  /// Returns the id of a word of the topic: its synonym with probability `synonym_share`.
  uint32_t draw_topical(uint32_t topic, double synonym_share, Random& random) const;
  /// Returns the id of a word of the background.
  uint32_t draw_background(Random& random) const;

  std::string_view word(uint32_t id) const { return words_[id]; }
  /// Says whether the word is one of the topic's (or shared with it).
  bool is_of_topic(std::string_view word, uint32_t topic) const;

 private:
  size_t slot(uint32_t topic, uint32_t concept_index, bool synonym) const;

  LexiconOptions options_;
  std::vector<std::string> words_;     // the topics' words, then the background
  std::vector<uint32_t> topic_words_;  // [topics, words_per_topic, 2] ids
  WeightedIndex concepts_, background_;
};

}  // namespace lemur
