// Learns a WordPiece vocabulary from text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

struct VocabularyOptions {
  int64_t size = 8000;    ///< pieces, the five special ones included; fewer where the text does not
                          ///< yield as many
  int64_t min_count = 2;  ///< rarer words and characters are not used
  bool lower_case = true;  ///< as Tokenizer
  int64_t threads = 0;     ///< performance only; the result does not depend on it; 0: all cores
};

/// Counts words, then merges the most frequent pair of neighbouring pieces (byte-pair encoding, as
/// today's trainers of WordPiece vocabularies do) until the vocabulary is full. Not thread-safe.
///
/// Characters (as Tokenizer normalises them) that occur min_count times are pieces, the most
/// frequent ones first, up to a quarter of the vocabulary; each in its initial and its "##" form,
/// but for punctuation and CJK, which never continue a word. A word with any other character will
/// be [UNK] and takes no part in merging, nor do words that Tokenizer finds too long.
class VocabularyTrainer {
 public:
  /// Throws InvalidArgument unless size > 5, min_count > 0 and threads >= 0.
  explicit VocabularyTrainer(const VocabularyOptions& options);
  ~VocabularyTrainer();

  /// Counts the words of `text` (any bytes; see Tokenizer::encode).
  void add(std::string_view text);

  /// Returns the pieces: [PAD] [UNK] [CLS] [SEP] [MASK], the characters, then merged pieces by
  /// order of merging. The result depends on the multiset of the texts only, not on their order.
  std::vector<std::string> train();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
