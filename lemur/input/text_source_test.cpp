#include "lemur/input/text_source.h"

#include <gtest/gtest.h>

#include "lemur/input/input_testing.h"

namespace lemur {
namespace {

std::string read_all(TextSource source) {
  std::string text;
  while (source.append_to(text)) {
  }
  return text;
}

std::string utf16(const std::u16string& text, bool is_big) {
  std::string bytes;
  for (const char16_t c : text) {
    const char low = static_cast<char>(c & 0xff), high = static_cast<char>(c >> 8);
    bytes += is_big ? high : low;
    bytes += is_big ? low : high;
  }
  return bytes;
}

TEST(TextSource, DropsTheByteOrderMark) {
  EXPECT_EQ(read_all(text_of("\xef\xbb\xbfid,é")), "id,é");
  EXPECT_EQ(read_all(text_of("id\n\xef\xbb\xbf,é")), "id\n\xef\xbb\xbf,é");
  EXPECT_EQ(read_all(text_of("")), "");
  EXPECT_EQ(read_all(text_of("\xef\xbb\xbf")), "");
}

TEST(TextSource, ReadsUtf16ByItsMark) {
  EXPECT_EQ(read_all(text_of(utf16(u"\ufeffé,日\U0001F98A\n", false))), "é,日🦊\n");
  EXPECT_EQ(read_all(text_of(utf16(u"\ufeffé,日\U0001F98A\n", true))), "é,日🦊\n");
  EXPECT_EQ(read_all(text_of(utf16(u"é,日\n", true), "utf-16be")), "é,日\n");
}

TEST(TextSource, ReadsWhatTheEncodingNames) {
  EXPECT_EQ(read_all(text_of("caf\xe9", "latin1")), "café");
  EXPECT_EQ(read_all(text_of("5 \x80", "windows-1252")), "5 €");
  EXPECT_EQ(read_all(text_of("\xef\xbb\xbf"
                             "café",
                             "latin1")),
            "café");
  EXPECT_EQ(read_all(text_of("café", "UTF8")), "café");
}

TEST(TextSource, ReadsCharactersThatTwoBlocksShare) {
  for (const std::string character : {"é", "日", "🦊"})
    for (size_t shift = 0; shift < 4; ++shift) {
      std::string text(shift, 'a');
      while (text.size() < 600'000) text += character;
      EXPECT_TRUE(read_all(text_of(text)) == text) << character << shift;
    }
  std::u16string wide(1, u'\ufeff');
  std::string expected;
  for (int i = 0; i < 200'000; ++i) {
    wide += i % 3 == 0 ? u"\U0001F98A" : u"a";
    expected += i % 3 == 0 ? "🦊" : "a";
  }
  EXPECT_TRUE(read_all(text_of(utf16(wide, false))) == expected);
}

TEST(TextSource, RefusesWhatIsNoTextWithItsLine) {
  auto refused = [](const std::string& bytes, const std::string& encoding,
                    const std::string& part) {
    expect_error<DataError>([&] { read_all(text_of(bytes, encoding)); }, part);
  };
  refused("a\nb\ncaf\xe9\nd", "utf-8", "a.csv: line 3 holds the byte 0xE9, which is no UTF-8");
  refused("a\r\nb\rc\n\xed\xa0\x80", "utf-8", "line 4 holds the byte 0xED");
  refused("a\n\xe6\x97", "utf-8", "line 2 holds the byte 0xE6");
  refused("\xc0\xaf", "utf-8", "line 1 holds the byte 0xC0");
  refused(std::string(300'000, '\n') + "\xff", "utf-8", "line 300001 holds the byte 0xFF");
  refused("a\nb\x81", "windows-1252", "line 2 holds bytes that are no text in windows-1252");
  refused(utf16(u"\ufeff"
                "a\nb",
                false) +
              "c",
          "utf-8", "line 2 holds bytes that are no text");
  refused(std::string("a\n\0b", 4), "utf-8", "a.csv: line 2 holds a NUL byte");
  refused(utf16(u"ab", false), "utf-8", "line 1 holds a NUL byte");
}

TEST(TextSource, RefusesAnEncodingThatIsNotKnown) {
  for (const std::string name : {"latin9000", "latin1//TRANSLIT", "utf-8//IGNORE", ""})
    expect_error<InvalidArgument>([&] { text_of("a", name); }, "no such encoding");
}

TEST(LineCounter, CountsEveryKindOfLineEnd) {
  const std::string text = "a\nb\r\nc\rd\r\r\n\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    LineCounter lines;
    lines.add(text.substr(0, cut));
    lines.add("");
    lines.add(text.substr(cut));
    EXPECT_EQ(lines.count(), 6) << cut;
  }
}

TEST(Shown, IsOneShortLine) {
  EXPECT_EQ(shown("a\nb\tc"), "a b c");
  EXPECT_EQ(shown(std::string(59, 'a') + "日本"), std::string(59, 'a') + "...");
}

}  // namespace
}  // namespace lemur
