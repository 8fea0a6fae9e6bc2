// Feeds any bytes to the word splitter and the tokenizer, with and without lower case, and checks
// what they promise.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/text/tokenizer.h"
#include "lemur/text/word_splitter.h"

namespace lemur {
namespace {

const std::vector<std::string> kPieces = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", "ab",   "##ab", "the",
    "##s",   "fox",   "é",     "##é",   "日",     "!", "1", "##1", "12",  "##23", "##",   "##!"};

void require(bool holds) {
  if (!holds) std::abort();
}

void tokenize(std::string_view text, const Tokenizer& tokenizer, WordSplitter& splitter) {
  std::vector<std::string> words;
  splitter.split(text, [&](std::string_view word) {
    require(!word.empty());
    words.emplace_back(word);
    return true;
  });
  require(words == tokenizer.words(text));
  std::vector<int32_t> all, few;
  tokenizer.encode(text, text.size() + 1, all);
  tokenizer.encode(text, 3, few);
  require(few.size() == std::min<size_t>(all.size(), 3));
  for (size_t i = 0; i < few.size(); ++i) require(few[i] == all[i]);
  for (int32_t id : all) require(id >= 0 && static_cast<size_t>(id) < kPieces.size());
}

}  // namespace
}  // namespace lemur

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const lemur::Tokenizer lower(lemur::kPieces, true), cased(lemur::kPieces, false);
  static lemur::WordSplitter lower_splitter(true), cased_splitter(false);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  lemur::tokenize(text, lower, lower_splitter);
  lemur::tokenize(text, cased, cased_splitter);
  return 0;
}
