#include "lemur/synth/words.h"

#include <array>
#include <unordered_set>

namespace lemur {
namespace {

constexpr std::array<std::string_view, 30> kOnsets = {
    "b", "c", "d", "f",  "g",  "h",  "j",  "k",  "l",  "m",  "n",  "p",  "r",  "s",  "t",
    "v", "w", "z", "br", "ch", "dr", "fl", "gr", "kl", "pl", "pr", "sh", "st", "th", "tr"};
constexpr std::array<std::string_view, 8> kVowels = {"a", "e", "i", "o", "u", "ai", "ea", "ou"};
constexpr std::array<std::string_view, 10> kCodas = {"", "", "", "", "n", "r", "s", "l", "m", "t"};

template <size_t N>
std::string_view pick(const std::array<std::string_view, N>& from, Random& random) {
  return from[random.below(N)];
}

void append_syllable(std::string& word, Random& random) {
  word += pick(kOnsets, random);
  word += pick(kVowels, random);
  word += pick(kCodas, random);
}

}  // namespace

std::vector<std::string> make_words(int64_t count, Random& random) {
  std::vector<std::string> words;
  words.reserve(static_cast<size_t>(count));
  std::unordered_set<std::string> seen;
  while (words.size() < static_cast<size_t>(count)) {
    std::string word;
    append_syllable(word, random);
    do append_syllable(word, random);
    while (random.chance(0.25) || seen.contains(word));
    seen.insert(word);
    words.push_back(std::move(word));
  }
  return words;
}

Lexicon::Lexicon(const LexiconOptions& options, uint64_t seed)
    : options_(options),
      topic_words_(static_cast<size_t>(options.topics * options.words_per_topic * 2)),
      concepts_(zipf_weights(options.words_per_topic, 0.8, 2)),
      background_(zipf_weights(options.background_words, 1, 5)) {
  Random random(seed, hash_bytes("words"));
  words_ =
      make_words(options.topics * options.words_per_topic * 2 + options.background_words, random);
  for (size_t i = 0; i < topic_words_.size(); ++i) topic_words_[i] = static_cast<uint32_t>(i);
  for (uint32_t topic = 0; topic < options.topics; ++topic)
    for (uint32_t c = 0; c < options.words_per_topic; ++c) {
      if (!random.chance(options.shared_words)) continue;
      auto other = static_cast<uint32_t>(random.below(static_cast<uint64_t>(options.topics)));
      for (bool synonym : {false, true})
        topic_words_[slot(topic, c, synonym)] = topic_words_[slot(other, c, synonym)];
    }
}

size_t Lexicon::slot(uint32_t topic, uint32_t concept_index, bool synonym) const {
  return (topic * static_cast<size_t>(options_.words_per_topic) + concept_index) * 2 + synonym;
}

uint32_t Lexicon::draw_topical(uint32_t topic, double synonym_share, Random& random) const {
  uint32_t concept_index = concepts_.draw(random);
  return topic_words_[slot(topic, concept_index, random.chance(synonym_share))];
}

uint32_t Lexicon::draw_background(Random& random) const {
  return static_cast<uint32_t>(topic_words_.size()) + background_.draw(random);
}

bool Lexicon::is_of_topic(std::string_view word, uint32_t topic) const {
  size_t begin = slot(topic, 0, false), end = slot(topic + 1, 0, false);
  for (size_t i = begin; i < end; ++i)
    if (words_[topic_words_[i]] == word) return true;
  return false;
}

}  // namespace lemur
