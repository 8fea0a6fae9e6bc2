#include "lemur/text/tokenizer.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/text/piece_trie.h"
#include "lemur/text/word_splitter.h"

namespace lemur {
namespace {

/// Returns the pieces, which must be distinct and not empty; throws DataError otherwise.
std::vector<std::string> checked(std::vector<std::string> pieces) {
  std::unordered_map<std::string_view, size_t> seen;
  seen.reserve(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].empty()) fail<DataError>("text", "vocabulary: piece {} is empty", i);
    auto [known, inserted] = seen.emplace(pieces[i], i);
    if (!inserted)
      fail<DataError>("text", "vocabulary: piece '{}' is repeated, at {} and {}", pieces[i],
                      known->second, i);
  }
  return pieces;
}

}  // namespace

struct Tokenizer::Impl {
  Impl(std::vector<std::string> given, bool lower)
      : pieces(checked(std::move(given))), lower_case(lower), trie(pieces) {
    pad = require("[PAD]");
    unknown = require("[UNK]");
    cls = require("[CLS]");
    sep = require("[SEP]");
    require("[MASK]");
  }

  int32_t require(std::string_view piece) const {
    PieceTrie::Match match = trie.longest(piece, false);
    if (match.length != piece.size())
      fail<DataError>("text", "vocabulary: piece '{}' is missing", piece);
    return match.id;
  }

  /// Appends the ids of one word.
  void encode_word(std::string_view word, std::vector<int32_t>& out) const {
    size_t before = out.size();
    if (word.size() > kMaxWordCharacters && count_characters(word) > kMaxWordCharacters) {
      out.push_back(unknown);
      return;
    }
    for (bool continuation = false; !word.empty(); continuation = true) {
      PieceTrie::Match match = trie.longest(word, continuation);
      if (match.id < 0) {
        out.resize(before);
        out.push_back(unknown);
        return;
      }
      out.push_back(match.id);
      word.remove_prefix(match.length);
    }
  }

  std::vector<std::string> pieces;
  bool lower_case;
  PieceTrie trie;
  int32_t pad, unknown, cls, sep;
};

Tokenizer::Tokenizer(std::vector<std::string> pieces, bool lower_case)
    : impl_(std::make_unique<Impl>(std::move(pieces), lower_case)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::filesystem::path& vocab, bool lower_case) {
  std::string content = read_file(vocab);
  std::vector<std::string> pieces;
  std::string_view rest = content;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    pieces.emplace_back(line);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  try {
    return Tokenizer(std::move(pieces), lower_case);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{} ({})", error.what(), vocab.string()));
  }
}

void Tokenizer::encode(std::string_view text, size_t max_tokens, std::vector<int32_t>& ids) const {
  if (max_tokens == 0) return;
  size_t before = ids.size();
  WordSplitter(impl_->lower_case).split(text, [&](std::string_view word) {
    impl_->encode_word(word, ids);
    return ids.size() - before < max_tokens;
  });
  if (ids.size() - before > max_tokens) ids.resize(before + max_tokens);
}

std::vector<std::string> Tokenizer::words(std::string_view text) const {
  std::vector<std::string> words;
  WordSplitter(impl_->lower_case).split(text, [&](std::string_view word) {
    words.emplace_back(word);
    return true;
  });
  return words;
}

const std::vector<std::string>& Tokenizer::pieces() const { return impl_->pieces; }
int32_t Tokenizer::pad_id() const { return impl_->pad; }
int32_t Tokenizer::unknown_id() const { return impl_->unknown; }
int32_t Tokenizer::cls_id() const { return impl_->cls; }
int32_t Tokenizer::sep_id() const { return impl_->sep; }

}  // namespace lemur
