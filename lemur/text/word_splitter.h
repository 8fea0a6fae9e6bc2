// BERT's basic tokenizer: text to normalised words and punctuation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lemur {

/// Words of more characters than this are [UNK].
inline constexpr size_t kMaxWordCharacters = 100;

/// Returns the number of characters (code points) of well-formed UTF-8.
inline size_t count_characters(std::string_view utf8) {
  size_t count = 0;
  for (char c : utf8) count += (c & 0xc0) != 0x80;
  return count;
}

/// Says whether BERT makes the character a word of its own: punctuation or CJK.
bool stands_alone(int32_t code_point);

/// Splits texts into words. Holds scratch memory: one per thread.
class WordSplitter {
 public:
  /// With `lower_case` words are lower-cased and stripped of their accents.
  explicit WordSplitter(bool lower_case);

  /// Calls visit(std::string_view word) for each word in order, until it returns false. `text` may
  /// be any bytes; words are never empty and are well-formed UTF-8. A view lives until visit
  /// returns.
  template <typename Visit>
  void split(std::string_view text, Visit&& visit) {
    for (size_t end, begin = 0; begin < text.size(); begin = end + 1) {
      unsigned char bits = 0;
      for (end = begin; end < text.size() && !is_ascii_space(text[end]); ++end)
        bits |= static_cast<unsigned char>(text[end]);
      std::string_view chunk = text.substr(begin, end - begin);
      if (!(bits < 0x80 ? split_ascii(chunk, visit) : split_unicode(chunk, visit))) return;
    }
  }

  /// Returns the words with one space between them: what queries are told apart by.
  std::string joined(std::string_view text) {
    std::string words;
    split(text, [&](std::string_view word) {
      if (!words.empty()) words += ' ';
      words += word;
      return true;
    });
    return words;
  }

 private:
  static bool is_ascii_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  /// Splits a chunk of ASCII without white space. Returns false once visit does.
  template <typename Visit>
  bool split_ascii(std::string_view chunk, Visit& visit) {
    if (word_.size() < chunk.size()) word_.resize(2 * chunk.size());
    char *const begin = word_.data(), *end = begin;
    auto flush = [&] {
      std::string_view word(begin, static_cast<size_t>(end - begin));
      end = begin;
      return word.empty() || visit(word);
    };
    for (const char& c : chunk) {
      char normal = normal_[static_cast<unsigned char>(c)];
      if (normal == kDrop) continue;
      if (normal != kPunctuation) {
        *end++ = normal;
      } else if (!flush() || !visit(std::string_view(&c, 1))) {
        return false;
      }
    }
    return flush();
  }

  /// Splits a chunk of any bytes without ASCII white space. Returns false once visit does.
  template <typename Visit>
  bool split_unicode(std::string_view chunk, Visit& visit) {
    normalise(chunk);
    std::string_view rest = normalised_;
    while (!rest.empty()) {
      size_t length = rest.find('\0');
      if (!visit(rest.substr(0, length))) return false;
      rest.remove_prefix(length + 1);
    }
    return true;
  }

  /// Fills normalised_ with the chunk's words, each followed by a zero byte (no word holds one).
  void normalise(std::string_view chunk);

  static constexpr char kDrop = 0, kPunctuation = 1;

  bool lower_case_;
  char normal_[128];  // of an ASCII character: kDrop, kPunctuation or what stands for it in a word
  std::string word_, normalised_;
};

}  // namespace lemur
