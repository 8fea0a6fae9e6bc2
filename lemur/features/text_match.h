// How a query's words match the texts of a document: the numbers of [[data.match]].
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lemur/features/schema.h"

namespace lemur {

/// The numbers of one field, in this order:
///   bm25          Robertson and Zaragoza (2009), eq. 3.15, with log(1 + (N - n + 0.5) / (n + 0.5))
///   query_share   of the query's words, by that weight, the share that the text has
///   text_share    of the text's words the share that the query has
///   phrase        longest run of the query's words that stands in the text, over their number
///   first         1 / (1 + words before the first match); 0: none
///   prefix_share  of the query's words the share whose first four characters begin a word of the
///                 text
///   ngrams        of both texts' words, each framed by blanks, the runs of 3, 4 and 5 characters:
///                 distinct ones of the query that the text has, over sqrt(those of the query times
///                 all of the text), at most 1
///   equal         1: both are the same words in the same order
///   length        log((1 + words of the text) / (1 + words of the query))
/// and of all fields of a match together, where it has several: bm25, query_share, ngrams.
inline constexpr std::array kMatchNames = {"bm25",   "query_share", "text_share",
                                           "phrase", "first",       "prefix_share",
                                           "ngrams", "equal",       "length"};
inline constexpr std::array kJointMatchNames = {"bm25", "query_share", "ngrams"};

/// Returns the names of a match's numbers, such as "bm25(title)", in their order.
std::vector<std::string> match_names(const StoreSchema& schema, const StoreSchema::Match& match);

/// Of how many documents that training shows a word is one: parallel, keys ascending. Words that
/// are missing are in one or none.
struct WordCounts {
  std::span<const uint64_t> keys;
  std::span<const uint32_t> documents;
};
inline constexpr const char* kWordKeysFile = "match_words.keys.u64";
inline constexpr const char* kWordDocumentsFile = "match_words.documents.u32";

/// The word pieces of a vocabulary, as parts of words.
class WordPieces {
 public:
  /// `pieces`: lines of a vocab.txt; a piece that begins with ## continues a word.
  explicit WordPieces(const std::vector<std::string>& pieces);

  bool continues(int32_t piece) const { return flags_[static_cast<size_t>(piece)] & kContinues; }
  bool is_unknown(int32_t piece) const { return flags_[static_cast<size_t>(piece)] & kUnknown; }
  std::span<const char32_t> characters(int32_t piece) const {
    const auto at = static_cast<size_t>(piece);
    return std::span(characters_).subspan(begin_[at], begin_[at + 1] - begin_[at]);
  }

  size_t size() const { return flags_.size(); }

  /// Calls word(key, begin, end) for each word of a text: its pieces, and a key that is a hash of
  /// its characters; 0 for an unknown word.
  template <typename Word>
  void for_each_word(std::span<const int32_t> tokens, const Word& word) const {
    for_each_group(tokens, [&](size_t begin, size_t end) {
      word(key(tokens.subspan(begin, end - begin)), begin, end);
    });
  }

  /// Calls group(begin, end) for the pieces of each word. An unknown word is one piece.
  template <typename Group>
  void for_each_group(std::span<const int32_t> tokens, const Group& group) const {
    for (size_t i = 0; i < tokens.size();) {
      const size_t begin = i;
      do ++i;
      while (i < tokens.size() && continues(tokens[i]));
      group(begin, i);
    }
  }

 private:
  enum : uint8_t { kContinues = 1, kUnknown = 2 };
  uint64_t key(std::span<const int32_t> word) const;

  std::vector<uint8_t> flags_;
  std::vector<uint32_t> begin_;
  std::u32string characters_;
};

/// Returns the lines of a vocab.txt. Throws DataError when it cannot be read.
std::vector<std::string> read_pieces(const std::filesystem::path& vocabulary);

/// Computes the numbers of all matches of a schema. Immutable; any thread.
class TextMatcher {
 public:
  /// A query, prepared once for all texts, and scratch memory: for one thread at a time.
  class Query;

  TextMatcher(const std::vector<std::string>& pieces, const StoreSchema& schema, WordCounts counts);

  /// Numbers of all matches together.
  size_t num_values() const { return num_values_; }

  /// Prepares a query of word pieces; the first 64 words count.
  void prepare(std::span<const int32_t> tokens, Query& query) const;

  /// Writes the numbers [num_values()] of the query and a document, standardised; 0, which is
  /// missing, where the query has no word. `texts` [fields of the schema]: word pieces.
  void match(Query& query, std::span<const std::span<const int32_t>> texts,
             std::span<float> values) const;

  /// The same before they are standardised; NaN where the query has no word.
  void match_raw(Query& query, std::span<const std::span<const int32_t>> texts,
                 std::span<double> values) const;

 private:
  struct Seen;
  /// What of a text's word is compared with a query: one line of cache.
  struct alignas(64) Form {
    static constexpr size_t kPrefix = 4;  // characters
    static constexpr size_t kThrees = 16;
    uint64_t key = 0;
    std::array<uint32_t, kPrefix> prefixes{};  // keys of its first 1, 2, ... characters
    uint8_t prefix_lengths = 0;                // bit n: it has n characters or more, n <= kPrefix
    uint8_t num_threes = 0;                    // more than kThrees: not all are listed
    uint16_t grams = 0;                        // runs of 3, 4 and 5 characters
    /// Places in Query::may_have_ of its runs of 3 characters; Query::kNoPlace from the last.
    std::array<uint16_t, kThrees> threes;
  };
  double weight(uint64_t key) const;
  Form form(std::span<const int32_t> word) const;
  void read(Query& query, std::span<const int32_t> text, uint32_t joint, Seen& seen,
            uint32_t& joint_grams) const;

  WordPieces pieces_;
  std::vector<Form> forms_;  // of each piece as a word of its own
  std::vector<StoreSchema::Match> matches_;
  std::vector<NumberScale> scales_;  // [num_values]
  WordCounts counts_;
  uint64_t num_documents_ = 0;
  size_t num_values_ = 0;
};

class TextMatcher::Query {
 private:
  friend class TextMatcher;
  static constexpr size_t kMostWords = 64;
  struct Word {
    uint64_t key = 0;
    double weight = 0;
  };
  /// Open addressing; key 0: free.
  struct Slot {
    uint64_t key = 0;
    uint32_t value = 0;                   ///< place in `words`
    uint32_t seen = 0, seen_jointly = 0;  ///< when it was last found, in one text and in all
  };
  class Table {
   public:
    void reset(size_t size);
    Slot* find(uint64_t key) {
      for (size_t at = place(key);; at = (at + 1) & mask_)
        if (slots_[at].key == key)
          return &slots_[at];
        else if (slots_[at].key == 0)
          return nullptr;
    }
    /// Returns whether it was new.
    bool insert(uint64_t key, uint32_t value);

   private:
    size_t place(uint64_t key) const { return (key * 0x9e3779b97f4a7c15ULL) >> shift_; }
    std::vector<Slot> slots_;
    size_t mask_ = 0;
    int shift_ = 63;
  };
  std::vector<Word> words_;  // as they stand, at most kMostWords
  uint64_t distinct_ = 0;    // places in words_ of first occurrences
  size_t num_grams_ = 0;     // distinct
  double total_weight_ = 0;  // of distinct words
  Table by_word_, by_prefix_, by_gram_;
  static constexpr uint16_t kNoPlace = 4096;
  std::array<bool, kNoPlace + 1> may_have_{};  // false: no run of 3 characters has this place
  uint32_t prefix_lengths_ = 0;                // bit n: a word's prefix has n characters
  uint32_t clock_ = 0;
  std::vector<double> raw_;
};

}  // namespace lemur
