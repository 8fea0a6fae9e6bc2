#include "lemur/text/piece_trie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace lemur {
namespace {

TEST(PieceTrie, FindsNothingInAnEmptySet) {
  PieceTrie trie({});
  EXPECT_EQ(trie.longest("a", false).id, -1);
  EXPECT_EQ(trie.longest("a", true).id, -1);
  EXPECT_EQ(trie.longest("", false).id, -1);
}

TEST(PieceTrie, NeverMatchesNothing) {
  PieceTrie trie({"##", "a"});
  EXPECT_EQ(trie.longest("b", true).id, -1);
  EXPECT_EQ(trie.longest("##", false).id, 0);
}

TEST(PieceTrie, AgreesWithTryingEveryPiece) {
  std::mt19937 random(1);
  auto draw = [&](size_t longest) {
    std::string text(1 + random() % longest, 'a');
    for (char& c : text) c = "ab\xc3#"[random() % 4];
    return text;
  };
  for (size_t size : {1, 31, 32, 33, 1000}) {
    std::set<std::string> distinct;
    while (distinct.size() < size) distinct.insert((random() % 2 ? "##" : "") + draw(8));
    std::vector<std::string> pieces(distinct.begin(), distinct.end());
    std::shuffle(pieces.begin(), pieces.end(), random);
    PieceTrie trie(pieces);
    for (int round = 0; round < 1000; ++round) {
      std::string text = draw(10);
      bool continuation = random() % 2;
      std::string whole = (continuation ? "##" : "") + text;
      PieceTrie::Match expected;
      size_t prefix = whole.size() - text.size();
      for (size_t i = 0; i < size; ++i)
        if (whole.starts_with(pieces[i]) && pieces[i].size() > prefix + expected.length)
          expected = {static_cast<int32_t>(i), pieces[i].size() - prefix};
      PieceTrie::Match match = trie.longest(text, continuation);
      ASSERT_EQ(match.id, expected.id) << whole;
      ASSERT_EQ(match.length, expected.length) << whole;
    }
  }
}

}  // namespace
}  // namespace lemur
