#include "lemur/synth/words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace lemur {
namespace {

TEST(Words, AreDistinctLowerCaseAndPronounceable) {
  Random random(1, 1);
  std::vector<std::string> words = make_words(20000, random);
  std::set<std::string> distinct(words.begin(), words.end());
  EXPECT_EQ(distinct.size(), 20000u);
  for (const std::string& word : words) {
    EXPECT_TRUE(std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; }));
    EXPECT_GE(std::count_if(word.begin(), word.end(),
                            [](char c) {
                              return std::string_view("aeiou").find(c) != std::string_view::npos;
                            }),
              2)
        << word;
  }
}

TEST(Lexicon, DrawsWordsOfTheTopicAndSynonymsOnRequest) {
  Lexicon lexicon({.topics = 8, .words_per_topic = 33, .background_words = 50}, 5);
  Random random(5, 0);
  std::set<std::string_view> usual, synonyms;
  for (int i = 0; i < 5000; ++i) {
    usual.insert(lexicon.word(lexicon.draw_topical(3, 0, random)));
    synonyms.insert(lexicon.word(lexicon.draw_topical(3, 1, random)));
  }
  EXPECT_EQ(usual.size(), 33u);
  EXPECT_EQ(synonyms.size(), 33u);
  for (std::string_view word : usual) {
    EXPECT_TRUE(lexicon.is_of_topic(word, 3));
    EXPECT_FALSE(synonyms.contains(word));
  }
  for (int i = 0; i < 1000; ++i)
    EXPECT_FALSE(lexicon.is_of_topic(lexicon.word(lexicon.draw_background(random)), 3));
}

TEST(Lexicon, SharesSomeWordsBetweenTopicsAndKeepsMostApart) {
  Lexicon lexicon({.topics = 32, .words_per_topic = 40, .background_words = 1}, 9);
  Random random(9, 0);
  int foreign = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    uint32_t topic = static_cast<uint32_t>(random.below(32));
    std::string_view word = lexicon.word(lexicon.draw_topical(topic, 0.3, random));
    for (uint32_t other = 0; other < 32; ++other)
      if (other != topic && lexicon.is_of_topic(word, other)) {
        ++foreign;
        break;
      }
  }
  EXPECT_GT(foreign, kDraws / 20);
  EXPECT_LT(foreign, kDraws * 3 / 10);
}

TEST(Lexicon, IsZipfianInTheBackground) {
  Lexicon lexicon({.topics = 1, .words_per_topic = 1, .background_words = 1000}, 2);
  Random random(2, 0);
  std::map<uint32_t, int> counts;
  for (int i = 0; i < 100000; ++i) ++counts[lexicon.draw_background(random)];
  std::vector<int> sorted;
  for (auto [word, count] : counts) sorted.push_back(count);
  std::sort(sorted.rbegin(), sorted.rend());
  // Weights 1 / (rank + 5): rank 1 to rank 91 is 16 to 1.
  EXPECT_NEAR(static_cast<double>(sorted[0]) / sorted[90], 16, 4);
}

}  // namespace
}  // namespace lemur
