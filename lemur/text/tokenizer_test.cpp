#include "lemur/text/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "lemur/base/error.h"

namespace lemur {
namespace {

using Words = std::vector<std::string>;

std::vector<std::string> vocabulary(std::vector<std::string> pieces) {
  pieces.insert(pieces.begin(), {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"});
  return pieces;
}

Words words(std::string_view text, bool lower_case = true) {
  return Tokenizer(vocabulary({}), lower_case).words(text);
}

/// Returns the pieces of the text, for readable expectations.
Words encode(const Tokenizer& tokenizer, std::string_view text, size_t max_tokens = 1000) {
  std::vector<int32_t> ids;
  tokenizer.encode(text, max_tokens, ids);
  Words pieces;
  for (int32_t id : ids) pieces.push_back(tokenizer.pieces().at(static_cast<size_t>(id)));
  return pieces;
}

/// Returns the message of the DataError that the pieces lead to.
std::string error_of(std::vector<std::string> pieces) {
  try {
    Tokenizer tokenizer(std::move(pieces), true);
  } catch (const DataError& error) {
    return error.what();
  }
  return "none";
}

/// A file that lasts as long as the object.
struct TemporaryFile {
  explicit TemporaryFile(std::string_view content)
      : path(std::filesystem::temp_directory_path() /
             ("lemur_vocab_" + std::to_string(std::random_device()()) + ".txt")) {
    std::ofstream(path, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

TEST(Tokenizer, LowersCaseAndStripsAccents) {
  EXPECT_EQ(words("HeLLo Ångström déjà ÉÀ"), Words({"hello", "angstrom", "deja", "ea"}));
  EXPECT_EQ(words("HeLLo Ångström", false), Words({"HeLLo", "Ångström"}));
}

TEST(Tokenizer, LowersAFinalSigmaAcrossPunctuation) {
  EXPECT_EQ(words("A.Σ ΣΑ"), Words({"a", ".", "ς", "σα"}));
}

TEST(Tokenizer, SplitsPunctuationAndAsciiSymbols) {
  EXPECT_EQ(words("a$b,c^d<e|f`g"),
            Words({"a", "$", "b", ",", "c", "^", "d", "<", "e", "|", "f", "`", "g"}));
  EXPECT_EQ(words("«a»、b€c"), Words({"«", "a", "»", "、", "b€c"}));
}

TEST(Tokenizer, SetsCjkCharactersApartButNotKanaOrHangul) {
  EXPECT_EQ(words("ab中国cd"), Words({"ab", "中", "国", "cd"}));
  EXPECT_EQ(words("カタ한국", false), Words({"カタ한국"}));
}

TEST(Tokenizer, DropsControlCharactersAndReplacementCharacters) {
  using namespace std::string_view_literals;
  EXPECT_EQ(words("a\0b\x01\x7f"
                  "c\xef\xbf\xbd"
                  "d \x02 e"sv),
            Words({"abcd", "e"}));
}

TEST(Tokenizer, DropsInvalidBytes) {
  EXPECT_EQ(words("a\xff"
                  "b \xc3 \xed\xa0\x80 c\xe4\xb8"),
            Words({"ab", "c"}));
}

TEST(Tokenizer, FindsNoWordsInWhiteSpace) {
  EXPECT_EQ(words(""), Words{});
  EXPECT_EQ(words(" \t\r\n\xc2\xa0\xe3\x80\x80 "), Words{});
}

TEST(Tokenizer, PrefersTheLongestPiece) {
  Tokenizer tokenizer(vocabulary({"a", "ab", "abcd", "##c", "##cd", "##e", "##d"}), true);
  EXPECT_EQ(encode(tokenizer, "abc abcd abcde abce"),
            Words({"ab", "##c", "abcd", "abcd", "##e", "ab", "##c", "##e"}));
}

TEST(Tokenizer, MakesAWordUnknownAsAWhole) {
  Tokenizer tokenizer(vocabulary({"a", "##b"}), true);
  EXPECT_EQ(encode(tokenizer, "ab abz a b"), Words({"a", "##b", "[UNK]", "a", "[UNK]"}));
}

TEST(Tokenizer, DoesNotRecogniseSpecialTokensInText) {
  EXPECT_EQ(encode(Tokenizer(vocabulary({"[", "]"}), false), "[CLS]"), Words({"[", "[UNK]", "]"}));
}

TEST(Tokenizer, MakesWordsOfMoreThanAHundredCharactersUnknown) {
  Tokenizer tokenizer(vocabulary({"a", "##a", "ж", "##ж"}), true);
  for (const std::string letter : {"a", "ж"}) {
    std::string word;
    for (int i = 0; i < 100; ++i) word += letter;
    EXPECT_EQ(encode(tokenizer, word).size(), 100U) << letter;
    EXPECT_EQ(encode(tokenizer, word + letter + " a"), Words({"[UNK]", "a"})) << letter;
  }
}

TEST(Tokenizer, CutsToMaxTokensEvenInsideAWord) {
  Tokenizer tokenizer(vocabulary({"a", "##a"}), true);
  for (size_t max_tokens : {0, 1, 31, 32, 33})
    EXPECT_EQ(encode(tokenizer, "aaa " + std::string(90, 'a'), max_tokens).size(), max_tokens);
  EXPECT_EQ(encode(tokenizer, "aab", 1), Words({"[UNK]"}));
}

TEST(Tokenizer, AppendsToTheIds) {
  std::vector<int32_t> ids = {7, 8};
  Tokenizer(vocabulary({"a"}), true).encode("a a a", 2, ids);
  EXPECT_EQ(ids, std::vector<int32_t>({7, 8, 5, 5}));
}

TEST(Tokenizer, KnowsItsSpecialTokensWhereverTheyAre) {
  Tokenizer tokenizer({"a", "[MASK]", "[SEP]", "[UNK]", "[CLS]", "[PAD]"}, true);
  EXPECT_EQ(tokenizer.pad_id(), 5);
  EXPECT_EQ(tokenizer.unknown_id(), 3);
  EXPECT_EQ(tokenizer.cls_id(), 4);
  EXPECT_EQ(tokenizer.sep_id(), 2);
}

TEST(Tokenizer, RefusesAMissingSpecialToken) {
  for (size_t missing = 0; missing < 5; ++missing) {
    auto pieces = vocabulary({"a", "[", "##]"});
    std::string name = pieces[missing];
    pieces.erase(pieces.begin() + static_cast<int64_t>(missing));
    EXPECT_EQ(error_of(pieces), "[text] vocabulary: piece '" + name + "' is missing");
  }
  EXPECT_EQ(error_of({}), "[text] vocabulary: piece '[PAD]' is missing");
}

TEST(Tokenizer, RefusesRepeatedAndEmptyPieces) {
  EXPECT_EQ(error_of(vocabulary({"a", "b", "a"})),
            "[text] vocabulary: piece 'a' is repeated, at 5 and 7");
  EXPECT_EQ(error_of(vocabulary({"a", ""})), "[text] vocabulary: piece 6 is empty");
}

TEST(Tokenizer, LoadsAVocabularyWithEitherLineEnding) {
  for (const std::string end : {"\n", "\r\n"}) {
    std::string content;
    for (const std::string& piece : vocabulary({"a", "##b"})) content += piece + end;
    TemporaryFile file(content);
    Tokenizer tokenizer = Tokenizer::load(file.path, true);
    EXPECT_EQ(tokenizer.pieces(), vocabulary({"a", "##b"}));
    EXPECT_EQ(encode(tokenizer, "AB"), Words({"a", "##b"}));
  }
}

TEST(Tokenizer, NamesTheFileThatItCannotLoad) {
  TemporaryFile file("[PAD]\n[UNK]\n");
  try {
    Tokenizer::load(file.path, true);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(error.what(),
              "[text] vocabulary: piece '[CLS]' is missing (" + file.path.string() + ")");
  }
  EXPECT_THROW(Tokenizer::load("/nowhere/vocab.txt", true), DataError);
}

TEST(Tokenizer, SurvivesRandomBytes) {
  Tokenizer tokenizer(vocabulary({"a", "b", "##a", "##b", "é", "e", "中", "!", "##\xe4"}), true);
  std::mt19937 random(1);
  const std::string_view likely = "ab !\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xcc\x81";
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 60, '\0');
    for (char& c : text)
      c = random() % 3 ? likely[random() % likely.size()] : static_cast<char>(random());
    std::vector<int32_t> all, cut;
    tokenizer.encode(text, 1000, all);
    for (int32_t id : all) {
      ASSERT_GE(id, 0);
      ASSERT_LT(id, static_cast<int32_t>(tokenizer.pieces().size()));
    }
    size_t max_tokens = random() % 20;
    tokenizer.encode(text, max_tokens, cut);
    all.resize(std::min(all.size(), max_tokens));
    ASSERT_EQ(cut, all);
    for (const std::string& word : tokenizer.words(text))
      ASSERT_EQ(tokenizer.words(word), Words{word}) << "a word is not a word of its own";
  }
}

}  // namespace
}  // namespace lemur
