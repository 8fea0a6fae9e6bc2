#include "lemur/text/pair_merger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace lemur {
namespace {

using Pieces = std::vector<std::string>;

struct CountedWord {
  std::string letters;
  int64_t count;
};

/// Returns both forms of the letters a to d.
Pieces letters() { return {"a", "b", "c", "d", "##a", "##b", "##c", "##d"}; }

Pieces merge(const std::vector<CountedWord>& words, size_t size) {
  std::vector<SegmentedWord> segmented;
  for (const auto& [letters, count] : words) {
    SegmentedWord word{{}, count};
    for (char c : letters) word.pieces.push_back(c - 'a' + (word.pieces.empty() ? 0 : 4));
    segmented.push_back(word);
  }
  Pieces pieces = letters();
  merge_pairs(segmented, size, pieces);
  return pieces;
}

/// The same by counting every pair anew for each merge.
Pieces merge_by_recounting(const std::vector<CountedWord>& words, size_t size) {
  Pieces pieces = letters();
  std::vector<std::pair<Pieces, int64_t>> split;
  for (const auto& [letters, count] : words) {
    split.push_back({{}, count});
    for (char c : letters)
      split.back().first.push_back((split.back().first.empty() ? "" : "##") + std::string(1, c));
  }
  while (pieces.size() < size) {
    std::map<std::pair<std::string, std::string>, int64_t> counts;
    for (const auto& [word, count] : split)
      for (size_t i = 0; i + 1 < word.size(); ++i) counts[{word[i], word[i + 1]}] += count;
    auto best = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
      return a.second < b.second;  // the first of several, which is the smallest
    });
    if (best == counts.end()) break;
    std::string merged = best->first.first + best->first.second.substr(2);
    if (std::find(pieces.begin(), pieces.end(), merged) == pieces.end()) pieces.push_back(merged);
    for (auto& [word, count] : split)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == best->first.first && word[i + 1] == best->first.second) {
          word[i] = merged;
          word.erase(word.begin() + static_cast<int64_t>(i) + 1);
        }
  }
  return pieces;
}

/// Returns what merging added to the letters.
Pieces added(Pieces pieces) {
  pieces.erase(pieces.begin(), pieces.begin() + 8);
  return pieces;
}

TEST(PairMerger, MergesTheMostFrequentPairFirst) {
  EXPECT_EQ(added(merge({{"abc", 3}, {"dbc", 2}, {"ad", 4}}, 100)),
            Pieces({"##bc", "ad", "abc", "dbc"}));
}

TEST(PairMerger, BreaksTiesLexicographically) {
  EXPECT_EQ(added(merge({{"dc", 1}, {"ab", 1}, {"db", 1}, {"ca", 1}}, 100)),
            Pieces({"ab", "ca", "db", "dc"}));
}

TEST(PairMerger, HandlesPairsThatOverlap) {
  EXPECT_EQ(added(merge({{"baaaaa", 1}}, 100)), Pieces({"##aa", "##aaa", "##aaaaa", "baaaaa"}));
}

TEST(PairMerger, StopsAtTheSizeAndWhenNoPairIsLeft) {
  EXPECT_EQ(merge({{"abcd", 5}}, 8).size(), 8U);
  EXPECT_EQ(merge({{"abcd", 5}}, 9).size(), 9U);
  EXPECT_EQ(merge({{"abcd", 5}}, 100).size(), 11U);
  EXPECT_EQ(merge({{"a", 5}}, 100), letters());
  EXPECT_EQ(merge({}, 100), letters());
}

TEST(PairMerger, AgreesWithRecounting) {
  std::mt19937 random(1);
  for (size_t num_words : {1, 31, 32, 33, 200}) {
    for (int round = 0; round < 10; ++round) {
      std::vector<CountedWord> words;
      for (size_t i = 0; i < num_words; ++i) {
        std::string word(1 + random() % 9, 'a');
        for (char& c : word) c = static_cast<char>('a' + random() % 4);
        words.push_back({word, static_cast<int64_t>(1 + random() % 5)});
      }
      ASSERT_EQ(merge(words, 200), merge_by_recounting(words, 200));
    }
  }
}

}  // namespace
}  // namespace lemur
