#include "lemur/features/text_match.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"

namespace lemur {
namespace {

constexpr uint64_t kFactor = 0x100000001b3ULL;  // of the polynomials of characters
constexpr char32_t kBlank = U' ';
constexpr size_t kMostCharacters = 1024;  // of a query, whose runs are kept; of a word

/// Appends the code points of UTF-8 text; a byte that is none stands for itself.
void append_characters(std::string_view text, std::u32string& to) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc0 || i + length > text.size()) {
      to += static_cast<char32_t>(first);
      ++i;
      continue;
    }
    auto point = static_cast<char32_t>(first & (0xff >> (length + 1)));
    for (size_t j = 1; j < length; ++j)
      point = point << 6 | (static_cast<uint8_t>(text[i + j]) & 0x3f);
    to += point;
    i += length;
  }
}

uint64_t nonzero(uint64_t hash) { return hash == 0 ? 1 : hash; }

/// The key of a word, character by character.
class WordHash {
 public:
  void add(char32_t character) { hash_ = hash_ * kFactor + static_cast<uint64_t>(character) + 1; }
  uint64_t key() const { return nonzero(mix(hash_)); }

 private:
  uint64_t hash_ = 1;
};

/// Gives the runs of 3, 4 and 5 characters that end with a character that is added.
class GramStream {
 public:
  /// Calls gram(key) for each, the shortest first, until it returns false: a text without a run has
  /// no longer one that ends with it.
  template <typename Gram>
  void add(char32_t character, const Gram& gram) {
    const uint64_t c = static_cast<uint64_t>(character) + 1, two = last_[0] * kFactor + c,
                   three = pair_ * kFactor + c, before[] = {last_[0], last_[1], last_[2], last_[3]};
    pair_ = two;
    last_ = {c, before[0], before[1], before[2]};
    if (count_ < 5) ++count_;
    // The lengths' polynomials are told apart by a factor of their own.
    if (count_ < 3 || !gram(nonzero(three * 3)) || count_ < 4) return;
    const auto longer = [&](size_t runs_before) {
      uint64_t sum = 0;
      for (size_t i = runs_before; i-- > 0;) sum = sum * kFactor + before[i];
      return sum * kFactor + c;
    };
    if (gram(nonzero(longer(3) * 5)) && count_ == 5) gram(nonzero(longer(4) * 7));
  }

 private:
  std::array<uint64_t, 4> last_{};  // characters, the newest first
  uint64_t pair_ = 0;               // polynomial of the last two
  int count_ = 0;
};

/// Calls gram(key) for the runs of a word framed by blanks, as GramStream does.
template <typename Gram>
void for_each_gram(const WordPieces& pieces, std::span<const int32_t> word, const Gram& gram) {
  GramStream grams;
  grams.add(kBlank, gram);
  for (int32_t piece : word)
    for (char32_t character : pieces.characters(piece)) grams.add(character, gram);
  grams.add(kBlank, gram);
}

/// A run's place among those that a query may have.
uint16_t place_of(uint64_t gram) {
  return static_cast<uint16_t>((gram * 0x9e3779b97f4a7c15ULL) >> 52);
}

}  // namespace

std::vector<std::string> match_names(const StoreSchema& schema, const StoreSchema::Match& match) {
  std::vector<std::string> names;
  std::string all;
  for (uint64_t field : match.fields) {
    const std::string& name = schema.text[field].name;
    all += (all.empty() ? "" : " + ") + name;
    for (const char* number : kMatchNames) names.push_back(fmt::format("{}({})", number, name));
  }
  if (match.fields.size() > 1)
    for (const char* number : kJointMatchNames) names.push_back(fmt::format("{}({})", number, all));
  return names;
}

WordPieces::WordPieces(const std::vector<std::string>& pieces) {
  for (std::string_view piece : pieces) {
    begin_.push_back(static_cast<uint32_t>(characters_.size()));
    const bool is_special = piece.size() > 2 && piece.front() == '[' && piece.back() == ']';
    const bool continues = piece.size() > 2 && piece.starts_with("##");
    flags_.push_back(is_special ? kUnknown : continues ? kContinues : 0);
    if (!is_special) append_characters(piece.substr(continues ? 2 : 0), characters_);
  }
  begin_.push_back(static_cast<uint32_t>(characters_.size()));
}

uint64_t WordPieces::key(std::span<const int32_t> word) const {
  if (is_unknown(word[0])) return 0;
  WordHash hash;
  for (int32_t piece : word)
    for (char32_t character : characters(piece)) hash.add(character);
  return hash.key();
}

std::vector<std::string> read_pieces(const std::filesystem::path& vocabulary) {
  std::ifstream in(vocabulary);
  if (!in) fail<DataError>("text", "cannot read {}", vocabulary.string());
  std::vector<std::string> pieces;
  for (std::string piece; std::getline(in, piece);) pieces.push_back(piece);
  return pieces;
}

void TextMatcher::Query::Table::reset(size_t size) {
  const size_t slots = std::bit_ceil(std::max<size_t>(4 * size, 16));
  slots_.assign(slots, {});
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
}

bool TextMatcher::Query::Table::insert(uint64_t key, uint32_t value) {
  size_t at = place(key);
  for (; slots_[at].key != 0; at = (at + 1) & mask_)
    if (slots_[at].key == key) return false;
  slots_[at] = {key, value, 0, 0};
  return true;
}

/// What a text, or all texts of a match, have of a query.
struct TextMatcher::Seen {
  std::array<uint32_t, Query::kMostWords> times{};  // of each distinct word, at its first place
  uint64_t prefixes = 0;                            // words whose prefix begins a word, by place
  uint32_t words = 0, matched = 0;                  // of the text
  uint32_t first = 0;                               // words before the first match
  uint32_t run = 0, longest_run = 0, last = 0;
  uint32_t grams = 0, matched_grams = 0;  // of the text, distinct ones of the query
  bool is_equal = true;

  void add(const Seen& other) {
    for (size_t i = 0; i < times.size(); ++i) times[i] += other.times[i];
    words += other.words, grams += other.grams;
  }
};

TextMatcher::TextMatcher(const std::vector<std::string>& pieces, const StoreSchema& schema,
                         WordCounts counts)
    : pieces_(pieces), matches_(schema.matches), counts_(counts) {
  forms_.reserve(pieces_.size());
  for (int32_t piece = 0; std::cmp_less(piece, pieces_.size()); ++piece)
    forms_.push_back(pieces_.is_unknown(piece) ? Form() : form({&piece, 1}));
  for (const StoreSchema::Match& match : matches_) {
    num_documents_ = match.num_documents;
    const size_t size = match_names(schema, match).size();
    for (size_t i = 0; i < size; ++i)
      scales_.push_back(schema.features.at(match.first_feature + i).scale);
    num_values_ += size;
  }
}

TextMatcher::Form TextMatcher::form(std::span<const int32_t> word) const {
  Form form;
  WordHash hash;
  uint64_t prefix = 0;
  size_t length = 0;
  for (int32_t piece : word)
    for (char32_t character : pieces_.characters(piece)) {
      hash.add(character);
      if (length++ >= Form::kPrefix) continue;
      prefix = prefix * kFactor + static_cast<uint64_t>(character) + 1;
      form.prefixes[length - 1] =
          std::max<uint32_t>(static_cast<uint32_t>(mix(prefix * kFactor + length)), 1);
      form.prefix_lengths |= static_cast<uint8_t>(1U << length);
    }
  form.key = hash.key();
  const size_t framed = std::min<size_t>(length + 2, kMostCharacters);
  for (size_t run = 3; run <= 5; ++run)
    form.grams = static_cast<uint16_t>(form.grams + (framed < run ? 0 : framed - run + 1));
  form.threes.fill(Query::kNoPlace);
  for_each_gram(pieces_, word, [&](uint64_t gram) {
    if (form.num_threes < Form::kThrees) form.threes[form.num_threes] = place_of(gram);
    form.num_threes = static_cast<uint8_t>(std::min<size_t>(form.num_threes + 1U, 255));
    return false;
  });
  return form;
}

double TextMatcher::weight(uint64_t key) const {
  const auto found = std::ranges::lower_bound(counts_.keys, key);
  const double of_word = found != counts_.keys.end() && *found == key
                             ? counts_.documents[static_cast<size_t>(found - counts_.keys.begin())]
                             : 1;
  const auto all = std::max(static_cast<double>(num_documents_), of_word);
  return std::log1p((all - of_word + 0.5) / (of_word + 0.5));
}

void TextMatcher::prepare(std::span<const int32_t> tokens, Query& query) const {
  query.words_.clear();
  query.distinct_ = 0;
  query.total_weight_ = 0;
  query.num_grams_ = 0;
  query.clock_ = 0;
  query.prefix_lengths_ = 0;
  size_t characters = 1;
  for (int32_t piece : tokens) characters += pieces_.characters(piece).size() + 2;
  query.by_word_.reset(Query::kMostWords);
  query.by_prefix_.reset(Query::kMostWords);
  query.may_have_.fill(false);
  query.by_gram_.reset(3 * std::min(characters, kMostCharacters));
  pieces_.for_each_group(tokens, [&](size_t begin, size_t end) {
    if (pieces_.is_unknown(tokens[begin]) || query.words_.size() == Query::kMostWords) return;
    const auto place = static_cast<uint32_t>(query.words_.size());
    const std::span<const int32_t> word = tokens.subspan(begin, end - begin);
    const Form form = this->form(word);
    query.words_.push_back({form.key, 0});
    if (!query.by_word_.insert(form.key, place)) return;
    query.distinct_ |= uint64_t{1} << place;
    query.words_.back().weight = weight(form.key);
    query.total_weight_ += query.words_.back().weight;
    if (form.prefix_lengths == 0) return;  // a piece without a character
    const auto length = static_cast<size_t>(std::bit_width(form.prefix_lengths) - 1);
    query.by_prefix_.insert(form.prefixes[length - 1], place);
    query.prefix_lengths_ |= 1U << length;
    for_each_gram(pieces_, word, [&](uint64_t three) {
      query.may_have_[place_of(three)] = true;
      return false;
    });
    for_each_gram(pieces_, word, [&](uint64_t gram) {
      if (query.num_grams_ == 3 * kMostCharacters) return false;  // the table has room for no more
      query.num_grams_ += query.by_gram_.insert(gram, 0);
      return true;
    });
  });
}

/// Reads one text. `joint` stamps what all texts of a match have.
void TextMatcher::read(Query& query, std::span<const int32_t> text, uint32_t joint, Seen& seen,
                       uint32_t& joint_grams) const {
  const uint32_t now = ++query.clock_;
  const auto match_gram = [&](uint64_t gram) {
    Query::Slot* slot = query.by_gram_.find(gram);
    if (slot == nullptr) return false;
    if (slot->seen != now) slot->seen = now, ++seen.matched_grams;
    if (slot->seen_jointly != joint) slot->seen_jointly = joint, ++joint_grams;
    return true;
  };
  Form made;
  for (int32_t piece : text) __builtin_prefetch(&forms_[static_cast<size_t>(piece)]);
  pieces_.for_each_group(text, [&](size_t begin, size_t end) {
    const uint32_t position = seen.words++;
    if (pieces_.is_unknown(text[begin])) {
      seen.run = 0;
      seen.is_equal = false;
      return;
    }
    const std::span<const int32_t> pieces = text.subspan(begin, end - begin);
    if (pieces.size() > 1) made = form(pieces);
    const Form& word = pieces.size() > 1 ? made : forms_[static_cast<size_t>(pieces[0])];

    seen.grams += word.grams;
    bool may_have = word.num_threes > Form::kThrees;
    for (size_t i = 0; i < Form::kThrees / 2; ++i) may_have |= query.may_have_[word.threes[i]];
    for (size_t i = Form::kThrees / 2; i < word.num_threes && i < Form::kThrees; ++i)
      may_have |= query.may_have_[word.threes[i]];
    if (may_have) for_each_gram(pieces_, pieces, match_gram);
    for (uint32_t lengths = word.prefix_lengths & query.prefix_lengths_; lengths != 0;
         lengths &= lengths - 1) {
      const auto length = static_cast<size_t>(std::countr_zero(lengths));
      if (const Query::Slot* slot = query.by_prefix_.find(word.prefixes[length - 1]))
        seen.prefixes |= uint64_t{1} << slot->value;
    }
    seen.is_equal =
        seen.is_equal && position < query.words_.size() && query.words_[position].key == word.key;
    const Query::Slot* slot = query.by_word_.find(word.key);
    if (slot == nullptr) {
      seen.run = 0;
      return;
    }
    ++seen.times[slot->value];
    if (seen.matched++ == 0) seen.first = position;
    // The run goes on where the query's next word is this one, be it a repeated one.
    const bool goes_on = seen.run > 0 && seen.last + 1 < query.words_.size() &&
                         query.words_[seen.last + 1].key == word.key;
    seen.run = goes_on ? seen.run + 1 : 1;
    seen.last = goes_on ? seen.last + 1 : slot->value;
    seen.longest_run = std::max(seen.longest_run, seen.run);
  });
}

void TextMatcher::match_raw(Query& query, std::span<const std::span<const int32_t>> texts,
                            std::span<double> values) const {
  if (query.words_.empty()) {
    std::ranges::fill(values, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const auto num_words = static_cast<double>(query.words_.size());
  double* value = values.data();
  const auto bm25 = [&](const StoreSchema::Match& match, const Seen& seen, double mean) {
    const double length = match.k1 * (1 - match.b + match.b * seen.words / std::max(mean, 1e-9));
    double sum = 0;
    for (size_t i = 0; i < query.words_.size(); ++i)
      if (const double times = seen.times[i]; times > 0)
        sum += query.words_[i].weight * times * (match.k1 + 1) / (times + length);
    return sum;
  };
  const auto query_share = [&](const Seen& seen) {
    double sum = 0;
    for (size_t i = 0; i < query.words_.size(); ++i)
      if (seen.times[i] > 0) sum += query.words_[i].weight;
    return query.total_weight_ > 0 ? sum / query.total_weight_ : 0;
  };
  const auto gram_share = [&](uint32_t matched, uint32_t all) {
    const double most = std::sqrt(static_cast<double>(query.num_grams_) * all);
    return most > 0 ? std::min(1.0, matched / most) : 0;
  };
  for (const StoreSchema::Match& match : matches_) {
    Seen all;
    uint32_t joint_grams = 0;
    const uint32_t joint = ++query.clock_;
    for (size_t i = 0; i < match.fields.size(); ++i) {
      Seen seen;
      read(query, texts[match.fields[i]], joint, seen, joint_grams);
      all.add(seen);
      *value++ = bm25(match, seen, match.mean_words[i]);
      *value++ = query_share(seen);
      *value++ = seen.words > 0 ? static_cast<double>(seen.matched) / seen.words : 0;
      *value++ = seen.longest_run / num_words;
      *value++ = seen.matched > 0 ? 1.0 / (1 + seen.first) : 0;
      *value++ = static_cast<double>(std::popcount(seen.prefixes)) / std::popcount(query.distinct_);
      *value++ = gram_share(seen.matched_grams, seen.grams);
      *value++ = seen.is_equal && seen.words == query.words_.size() ? 1 : 0;
      *value++ = std::log((1.0 + seen.words) / (1 + num_words));
    }
    if (match.fields.size() < 2) continue;
    *value++ = bm25(match, all, match.mean_words.back());
    *value++ = query_share(all);
    *value++ = gram_share(joint_grams, all.grams);
  }
}

void TextMatcher::match(Query& query, std::span<const std::span<const int32_t>> texts,
                        std::span<float> values) const {
  std::vector<double>& raw = query.raw_;
  raw.resize(num_values_);
  match_raw(query, texts, raw);
  for (size_t i = 0; i < raw.size(); ++i) values[i] = scales_[i].apply(raw[i]);
}

}  // namespace lemur
