// Learns a WordPiece vocabulary from text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

struct VocabularyOptions {
  int64_t size = 8000;     ///< pieces, the five special ones included; fewer where the text does not yield as many
  int64_t min_count = 2;   ///< rarer words are not used
  bool lower_case = true;  ///< as Tokenizer
  int64_t threads = 0;     ///< performance only; the result does not depend on it; 0: all cores
};

/// Counts words, then merges pairs of pieces by WordPiece's or BPE's criterion until the vocabulary is full. Not thread-safe.
class VocabularyTrainer {
 public:
  explicit VocabularyTrainer(const VocabularyOptions& options);
  ~VocabularyTrainer();

  /// Counts the words of `text`.
  void add(std::string_view text);

  /// Returns the pieces: [PAD] [UNK] [CLS] [SEP] [MASK], the characters, then merged pieces by order of merging. The result depends
  /// on the multiset of the texts only, not on their order.
  std::vector<std::string> train();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
