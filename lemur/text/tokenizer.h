// WordPiece tokenizer, compatible with BERT's vocab.txt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

/// Splits text into word pieces of a vocabulary as BERT's tokenizer does: clean-up, CJK characters
/// apart, (lower-casing and accents stripped by NFD,) punctuation apart, then longest match first
/// with "##" continuations; words over 100 characters are [UNK]. Special tokens are not recognised
/// in the text. Immutable; any thread.
class Tokenizer {
 public:
  /// Requires [PAD], [UNK], [CLS], [SEP] and [MASK] among the pieces (id = index); throws DataError
  /// naming the missing, repeated or empty piece.
  Tokenizer(std::vector<std::string> pieces, bool lower_case);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;

  /// Reads a vocab.txt: one piece a line, LF or CRLF. Throws DataError naming the file when it
  /// cannot be read or its pieces are wrong.
  static Tokenizer load(const std::filesystem::path& vocab, bool lower_case);

  /// Appends at most `max_tokens` ids of `text` (UTF-8; invalid bytes count as U+FFFD, which BERT
  /// drops), no special tokens.
  void encode(std::string_view text, size_t max_tokens, std::vector<int32_t>& ids) const;

  /// Returns the text's basic tokens (before word pieces): normalised words and punctuation.
  std::vector<std::string> words(std::string_view text) const;

  const std::vector<std::string>& pieces() const;
  int32_t pad_id() const;
  int32_t unknown_id() const;
  int32_t cls_id() const;
  int32_t sep_id() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
