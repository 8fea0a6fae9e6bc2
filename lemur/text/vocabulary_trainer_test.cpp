#include "lemur/text/vocabulary_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/text/tokenizer.h"

namespace lemur {
namespace {

using Texts = std::vector<std::string>;

Texts train(const Texts& texts, const VocabularyOptions& options) {
  VocabularyTrainer trainer(options);
  for (const std::string& text : texts) trainer.add(text);
  return trainer.train();
}

/// Returns texts whose words are made of syllables, some with accents, CJK and punctuation.
Texts corpus(size_t num_texts) {
  const Texts syllables = {"ba", "ke", "Lo", "mi", "é", "ру", "中", ", ", ".", "st", "9"};
  std::mt19937 random(1);
  Texts texts(num_texts);
  for (std::string& text : texts)
    for (size_t i = random() % 40; i > 0; --i)
      text += syllables[std::min(random() % 11, random() % 11)] + (random() % 3 ? "" : " ");
  return texts;
}

std::string training_error_of(const VocabularyOptions& options) {
  try {
    VocabularyTrainer trainer(options);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "none";
}

TEST(VocabularyTrainer, BeginsWithSpecialPiecesThenCharactersThenMerges) {
  EXPECT_EQ(train({"Cab, cab", "cá"}, {.size = 100, .min_count = 1}),
            Texts({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", "a", "b", "c", "##a", "##b",
                   "##c", "ca", "cab"}));
}

TEST(VocabularyTrainer, KeepsCaseAndAccentsIfAsked) {
  Texts pieces = train({"É É"}, {.size = 100, .lower_case = false});
  EXPECT_EQ(Texts(pieces.begin() + 5, pieces.end()), Texts({"É", "##É"}));
}

TEST(VocabularyTrainer, GivesOnlyTheSpecialPiecesWithoutText) {
  EXPECT_EQ(train({}, {}).size(), 5U);
  EXPECT_EQ(train({"", " \n"}, {}).size(), 5U);
}

TEST(VocabularyTrainer, LeavesOutWhatIsRare) {
  Texts pieces = train({"aaa bbb", "aaa bb c"}, {.size = 100, .min_count = 2});
  EXPECT_EQ(Texts(pieces.begin() + 5, pieces.end()),
            Texts({"a", "b", "##a", "##b", "##aa", "aaa"}));
}

TEST(VocabularyTrainer, LeavesOutWordsThatWouldBeUnknown) {
  Texts pieces = train({std::string(101, 'a'), "ba"}, {.size = 100, .min_count = 1});
  EXPECT_EQ(Texts(pieces.begin() + 5, pieces.end()), Texts({"a", "b", "##a", "##b", "ba"}));
}

TEST(VocabularyTrainer, BoundsTheCharactersByAQuarterOfTheVocabulary) {
  std::string text;
  for (int c = 0; c < 26; ++c) text += std::string(static_cast<size_t>(c + 1), 'a' + c) + " ";
  Texts pieces = train({text}, {.size = 45, .min_count = 1});
  EXPECT_EQ(pieces.size(), 45U);
  EXPECT_EQ(Texts(pieces.begin() + 5, pieces.begin() + 15),
            Texts({"q", "r", "s", "t", "u", "v", "w", "x", "y", "z"}));
}

TEST(VocabularyTrainer, NeverExceedsItsSize) {
  for (int64_t size : {6, 31, 32, 33, 100})
    EXPECT_LE(train(corpus(200), {.size = size}).size(), static_cast<size_t>(size));
  EXPECT_EQ(train(corpus(200), {.size = 100}).size(), 100U);
}

TEST(VocabularyTrainer, DependsNeitherOnTheOrderNorOnThreads) {
  Texts texts = corpus(500);
  Texts expected = train(texts, {.size = 200, .threads = 1});
  std::mt19937 random(2);
  for (int64_t threads : {0, 1, 2, 7}) {
    std::shuffle(texts.begin(), texts.end(), random);
    EXPECT_EQ(train(texts, {.size = 200, .threads = threads}), expected) << threads;
  }
}

TEST(VocabularyTrainer, DependsOnHowOftenAWordOccurs) {
  EXPECT_NE(train({"ab ab ab", "cd cd"}, {.size = 100}),
            train({"ab ab", "cd cd cd"}, {.size = 100}));
}

TEST(VocabularyTrainer, CountsTheSameInSeveralBatches) {
  Texts texts = corpus(500);
  std::string filler(9 << 20, ' ');  // more than a batch holds
  Texts expected = train(texts, {.size = 200, .threads = 3});
  texts.insert(texts.begin() + 250, filler);
  EXPECT_EQ(train(texts, {.size = 200, .threads = 3}), expected);
}

TEST(VocabularyTrainer, TrainsAgainAfterMoreText) {
  VocabularyTrainer trainer({.size = 200});
  Texts texts = corpus(100);
  for (size_t i = 0; i < 50; ++i) trainer.add(texts[i]);
  EXPECT_EQ(trainer.train(), trainer.train());
  for (size_t i = 50; i < 100; ++i) trainer.add(texts[i]);
  EXPECT_EQ(trainer.train(), train(texts, {.size = 200}));
}

TEST(VocabularyTrainer, LeavesNoUnknownWordInItsText) {
  Texts texts = corpus(500), pieces = train(texts, {.size = 200});
  EXPECT_EQ(std::set<std::string>(pieces.begin(), pieces.end()).size(), pieces.size());
  Tokenizer tokenizer(pieces, true);
  size_t num_ids = 0, num_words = 0;
  for (const std::string& text : texts) {
    std::vector<int32_t> ids;
    tokenizer.encode(text, 100000, ids);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer.unknown_id()), 0) << text;
    num_ids += ids.size();
    num_words += tokenizer.words(text).size();
  }
  EXPECT_GE(num_ids, num_words);
  EXPECT_LT(num_ids, 2 * num_words);
}

TEST(VocabularyTrainer, RefusesWrongOptions) {
  EXPECT_EQ(training_error_of({.size = 5}), "[text] vocabulary size 5; expected more than 5");
  EXPECT_EQ(training_error_of({.min_count = 0}),
            "[text] vocabulary min_count 0; expected 1 or more");
  EXPECT_EQ(training_error_of({.threads = -1}), "[text] -1 threads; expected 0 or more");
}

}  // namespace
}  // namespace lemur
