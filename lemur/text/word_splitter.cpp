#include "lemur/text/word_splitter.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "lemur/base/error.h"

namespace lemur {
namespace {

bool is_ascii_punctuation(int32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

bool is_punctuation(int32_t c) {
  return is_ascii_punctuation(c) || (c >= 0x80 && (U_GET_GC_MASK(c) & U_GC_P_MASK) != 0);
}

bool is_cjk(int32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b820 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

// BERT drops control and format characters, but keeps private and unassigned ones.
bool is_dropped(int32_t c) {
  return c < 0 || c == 0xfffd || (U_GET_GC_MASK(c) & (U_GC_CC_MASK | U_GC_CF_MASK)) != 0;
}

bool is_space(int32_t c) { return (U_GET_GC_MASK(c) & U_GC_Z_MASK) != 0; }

void append_utf8(int32_t c, std::string& out) {
  char bytes[U8_MAX_LENGTH];
  size_t length = 0;
  U8_APPEND_UNSAFE(bytes, length, c);
  out.append(bytes, length);
}

/// Appends the words of a run without white space to `out`, each ended by a zero byte; empties the
/// run.
void append_words(icu::UnicodeString& run, bool lower_case, std::string& out) {
  if (lower_case) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(status);
    ensure(U_SUCCESS(status), "text", "ICU has the data of NFD");
    run = nfd->normalize(run.toLower(icu::Locale::getRoot()), status);
    ensure(U_SUCCESS(status), "text", "ICU normalises any string");
  }
  auto end_word = [&, begin = out.size()]() mutable {
    if (out.size() > begin) out.push_back('\0');
    begin = out.size();
  };
  int32_t c;
  for (int32_t i = 0; i < run.length(); i += U16_LENGTH(c)) {
    c = run.char32At(i);
    if (lower_case && u_charType(c) == U_NON_SPACING_MARK) continue;
    bool alone = is_punctuation(c);
    if (alone) end_word();
    append_utf8(c, out);
    if (alone) end_word();
  }
  end_word();
  run.remove();
}

}  // namespace

bool stands_alone(int32_t code_point) { return is_punctuation(code_point) || is_cjk(code_point); }

WordSplitter::WordSplitter(bool lower_case) : lower_case_(lower_case) {
  for (int32_t c = 0; c < 128; ++c) {
    bool upper = lower_case && c >= 'A' && c <= 'Z';
    normal_[c] = c < 0x20 || c == 0x7f     ? kDrop
                 : is_ascii_punctuation(c) ? kPunctuation
                                           : static_cast<char>(upper ? c - 'A' + 'a' : c);
  }
}

void WordSplitter::normalise(std::string_view chunk) {
  normalised_.clear();
  icu::UnicodeString run;
  for (size_t i = 0; i < chunk.size();) {
    int32_t c;
    U8_NEXT(chunk.data(), i, chunk.size(), c);
    if (is_dropped(c)) continue;
    bool cjk = is_cjk(c);
    if (cjk || is_space(c)) append_words(run, lower_case_, normalised_);
    if (is_space(c)) continue;
    run.append(c);
    if (cjk) append_words(run, lower_case_, normalised_);
  }
  append_words(run, lower_case_, normalised_);
}

}  // namespace lemur
