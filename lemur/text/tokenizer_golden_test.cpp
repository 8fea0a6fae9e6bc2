// Ids of a small vocabulary in BERT's form, against a table.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/text/tokenizer.h"

namespace lemur {
namespace {

using namespace std::string_view_literals;

constexpr const char* kVocabulary =
    "[PAD] [UNK] [CLS] [SEP] [MASK] [unused0] a b c e i n o s t x ##a ##b ##c ##e ##i ##n "
    "##o ##s ##t ##x the un want wanted runn ##want ##ed ##ing ##able una ##ff ##aff unaff "
    "hello world red king lion , . ! ? - ' \" # $ [ ] ( ) _ ` ^ cafe naive resume strasse "
    "straße ß ##ß ii istanbul 中 国 東 京 が か 豈 冬 ; ##き 〜 。 、 “ ” "
    "… — ¿ € ± σ ##ς οδος οδοσ 1 ##9 ##4 19 1994 ½ 😀 👍 ##🏽 ᄒ "
    "##ᅡ ##ᆫ и ##и мир йод иод ﬁ ##ne fine kelvin ##\" ##, tm ™";

struct Golden {
  std::string_view text;
  std::vector<int32_t> uncased, cased;
};

// The ids were computed by a transcription of BERT's published tokenization.py.
const std::vector<Golden> kGolden = {
    {""sv, {}, {}},
    {"hello world"sv, {39, 40}, {39, 40}},
    {"  Hello,\tWORLD!\r\n"sv, {39, 44, 40, 46}, {1, 44, 1, 46}},
    {"unwanted running"sv, {27, 31, 32, 30, 33}, {27, 31, 32, 30, 33}},
    {"unaffable"sv, {38, 34}, {38, 34}},
    {"unaff"sv, {38}, {38}},
    {"UNWANTED"sv, {27, 31, 32}, {1}},
    {"hellothe"sv, {1}, {1}},
    {"unz"sv, {1}, {1}},
    {"un zzz un"sv, {27, 1, 27}, {27, 1, 27}},
    {"Café naïve résumé"sv, {60, 61, 62}, {1, 1, 1}},
    {"cafe\xcc\x81 CAFE\xcc\x81"sv, {60, 60}, {1, 1}},
    {"Straße STRASSE"sv, {64, 63}, {1, 1}},
    {"İstanbul"sv, {68}, {1}},
    {"ΟΔΟΣ"sv, {91}, {1}},
    {"ΟΔΟΣ. οδοσ"sv, {91, 45, 92}, {1, 45, 92}},
    {"中国東京"sv, {69, 70, 71, 72}, {69, 70, 71, 72}},
    {"a中b国c"sv, {6, 69, 7, 70, 8}, {6, 69, 7, 70, 8}},
    {"hello中world"sv, {39, 69, 40}, {39, 69, 40}},
    {"東京がき"sv, {71, 72, 74, 78}, {71, 72, 73, 78}},
    {"\xef\xa4\x80⾁a中"sv, {75, 1, 69}, {1, 1, 69}},
    {"\xf0\xaf\xa0\x9a中a"sv, {76, 69, 6}, {1, 69, 6}},
    {"[CLS] [MASK] [SEP]"sv, {53, 1, 54, 53, 1, 54, 53, 1, 54}, {53, 1, 54, 53, 1, 54, 53, 1, 54}},
    {"a-b_c'e"sv, {6, 48, 7, 57, 8, 49, 9}, {6, 48, 7, 57, 8, 49, 9}},
    {"$1994, (1994) #19"sv, {52, 97, 44, 55, 97, 56, 51, 96}, {52, 97, 44, 55, 97, 56, 51, 96}},
    {"“the”…—¿"sv, {82, 26, 83, 84, 85, 86}, {82, 26, 83, 84, 85, 86}},
    {"1½ 19 ±€"sv, {1, 96, 1}, {1, 96, 1}},
    {"x\x00"
     "a\xef\xbf\xbd"
     "b\x07"
     "c\xe2\x80\x8d"
     "e"sv,
     {15, 16, 17, 18, 19},
     {15, 16, 17, 18, 19}},
    {"a\xc2\xa0"
     "b\xe2\x80\x83"
     "c\xe3\x80\x80"
     "e\xe2\x80\xa8i"sv,
     {6, 7, 8, 9, 10},
     {6, 7, 8, 9, 10}},
    {"a\xc2\x85"
     "b\x1c"
     "c"sv,
     {6, 17, 18},
     {6, 17, 18}},
    {"😀 👍🏽 hello😀"sv, {99, 100, 101, 1}, {99, 100, 101, 1}},
    {"😀😀"sv, {1}, {1}},
    {"한"sv, {102, 103, 104}, {1}},
    {"МИР Йод"sv, {107, 109}, {1, 1}},
    {"ﬁne FINE"sv, {110, 111, 112}, {110, 111, 1}},
    {"\xe2\x84\xaa"
     "elvin"sv,
     {113},
     {1}},
    {"\xcc\x81"sv, {}, {1}},
    {"a\xcc\x81\xcc\x82 \xcc\xa7"
     "b"sv,
     {6, 7},
     {1, 1}},
    {"e\xcd\xbe\xe1\xbf\xaf"sv, {9, 77, 58}, {9, 1, 1}},
    {"\xef\xbb\xbfhello"sv, {39}, {39}},
    {"a™b"sv, {1}, {1}},
    {"a\xc2\xad"
     "b"sv,
     {6, 17},
     {6, 17}},
    {"\xee\x80\x80"sv, {1}, {1}},
    {"want\xe2\x80\x8b"
     "ed"sv,
     {29},
     {29}},
    {"the^king`s lion"sv, {26, 59, 42, 58, 13, 43}, {26, 59, 42, 58, 13, 43}},
    {"a\xe0\xa4\x83"
     "b"sv,
     {1},
     {1}},
    {"a\xef\xbe\x9e、。〜"sv, {1, 81, 80, 79}, {1, 81, 80, 79}},
};

std::vector<std::string> golden_vocabulary() {
  std::istringstream in(kVocabulary);
  std::vector<std::string> pieces;
  for (std::string piece; in >> piece;) pieces.push_back(piece);
  return pieces;
}

TEST(TokenizerGolden, UncasedIdsAreThoseOfBert) {
  Tokenizer tokenizer(golden_vocabulary(), true);
  for (const Golden& golden : kGolden) {
    std::vector<int32_t> ids;
    tokenizer.encode(golden.text, 1000, ids);
    EXPECT_EQ(ids, golden.uncased) << golden.text;
  }
}

TEST(TokenizerGolden, CasedIdsAreThoseOfBert) {
  Tokenizer tokenizer(golden_vocabulary(), false);
  for (const Golden& golden : kGolden) {
    std::vector<int32_t> ids;
    tokenizer.encode(golden.text, 1000, ids);
    EXPECT_EQ(ids, golden.cased) << golden.text;
  }
}

}  // namespace
}  // namespace lemur
