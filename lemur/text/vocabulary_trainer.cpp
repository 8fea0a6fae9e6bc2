#include "lemur/text/vocabulary_trainer.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <thread>
#include <unordered_map>
#include <utility>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/text/pair_merger.h"
#include "lemur/text/word_splitter.h"

namespace lemur {
namespace {

constexpr size_t kSpecialPieces = 5;
constexpr size_t kBatchBytes = 8 << 20;

struct WordHash {
  using is_transparent = void;
  size_t operator()(std::string_view word) const { return hash_bytes(word); }
};

using WordCounts = std::unordered_map<std::string, int64_t, WordHash, std::equal_to<>>;
using Word = std::pair<std::string_view, int64_t>;  // and its count

void count_words(std::string_view text, WordSplitter& splitter, WordCounts& counts) {
  splitter.split(text, [&](std::string_view word) {
    auto known = counts.find(word);
    if (known != counts.end())
      ++known->second;
    else if (count_characters(word) <= kMaxWordCharacters)
      counts.emplace(word, 1);
    return true;
  });
}

/// Calls visit(code_point, its bytes) for each character of a word.
template <typename Visit>
void for_each_character(std::string_view word, Visit&& visit) {
  for (size_t i = 0; i < word.size();) {
    size_t begin = i;
    int32_t c;
    U8_NEXT(word.data(), i, word.size(), c);
    visit(c, word.substr(begin, i - begin));
  }
}

/// Appends both forms of the characters that are frequent enough, in order of code points.
void append_characters(const std::vector<Word>& words, const VocabularyOptions& options,
                       std::vector<std::string>& pieces) {
  struct Character {
    int32_t code_point;
    int64_t count;
    std::string_view bytes;
  };
  std::unordered_map<int32_t, Character> counts;
  for (auto [word, count] : words)
    for_each_character(word, [&, count = count](int32_t c, std::string_view bytes) {
      counts.try_emplace(c, Character{c, 0, bytes}).first->second.count += count;
    });
  std::vector<Character> alphabet;
  for (const auto& [c, character] : counts)
    if (character.count >= options.min_count) alphabet.push_back(character);

  std::sort(alphabet.begin(), alphabet.end(), [](const Character& a, const Character& b) {
    return a.count != b.count ? a.count > b.count : a.code_point < b.code_point;
  });
  size_t limit = (static_cast<size_t>(options.size) - kSpecialPieces) / 4;
  if (alphabet.size() > limit) alphabet.resize(limit);
  std::sort(alphabet.begin(), alphabet.end(),
            [](const Character& a, const Character& b) { return a.code_point < b.code_point; });

  for (const Character& c : alphabet) pieces.emplace_back(c.bytes);
  for (const Character& c : alphabet)
    if (!stands_alone(c.code_point)) pieces.push_back("##" + std::string(c.bytes));
}

/// Returns the words that occur often enough as characters; those with others are left out.
std::vector<SegmentedWord> segment(const std::vector<Word>& words, int64_t min_count,
                                   const std::vector<std::string>& pieces) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (size_t i = kSpecialPieces; i < pieces.size(); ++i)
    ids.emplace(pieces[i], static_cast<int32_t>(i));
  std::vector<SegmentedWord> segmented;
  for (auto [word, count] : words) {
    if (count < min_count) continue;
    SegmentedWord result{{}, count};
    bool known = true;
    for_each_character(word, [&](int32_t, std::string_view bytes) {
      std::string piece = (result.pieces.empty() ? "" : "##") + std::string(bytes);
      auto found = ids.find(piece);
      known = known && found != ids.end();
      if (known) result.pieces.push_back(found->second);
    });
    if (known) segmented.push_back(std::move(result));
  }
  return segmented;
}

}  // namespace

struct VocabularyTrainer::Impl {
  explicit Impl(const VocabularyOptions& given) : options(given) {
    if (options.size <= static_cast<int64_t>(kSpecialPieces))
      fail<InvalidArgument>("text", "vocabulary size {}; expected more than {}", options.size,
                            kSpecialPieces);
    if (options.min_count < 1)
      fail<InvalidArgument>("text", "vocabulary min_count {}; expected 1 or more",
                            options.min_count);
    if (options.threads < 0)
      fail<InvalidArgument>("text", "{} threads; expected 0 or more", options.threads);
    size_t threads = static_cast<size_t>(options.threads);
    if (threads == 0) threads = std::max(std::thread::hardware_concurrency(), 1U);
    counts.resize(threads);
  }

  /// Counts the words of the texts that wait, with all threads, and drops them.
  void count_batch() {
    auto work = [&](size_t thread) {
      WordSplitter splitter(options.lower_case);
      for (size_t i = thread; i < ends.size(); i += counts.size()) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        count_words(std::string_view(batch).substr(begin, ends[i] - begin), splitter,
                    counts[thread]);
      }
    };
    {
      std::vector<std::jthread> pool;
      for (size_t thread = 1; thread < std::min(counts.size(), ends.size()); ++thread)
        pool.emplace_back(work, thread);
      work(0);
    }
    batch.clear();
    ends.clear();
  }

  /// Brings all counts into the first map; returns them sorted by word.
  std::vector<Word> sorted_words() {
    count_batch();
    for (size_t i = 1; i < counts.size(); ++i) {
      for (const auto& [word, count] : counts[i]) counts[0][word] += count;
      counts[i] = {};
    }
    std::vector<Word> words(counts[0].begin(), counts[0].end());
    std::sort(words.begin(), words.end());
    return words;
  }

  VocabularyOptions options;
  std::string batch;               // texts that wait to be counted, end to end
  std::vector<size_t> ends;        // of each of them
  std::vector<WordCounts> counts;  // one of each thread
};

VocabularyTrainer::VocabularyTrainer(const VocabularyOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
VocabularyTrainer::~VocabularyTrainer() = default;

void VocabularyTrainer::add(std::string_view text) {
  impl_->batch += text;
  impl_->ends.push_back(impl_->batch.size());
  if (impl_->batch.size() >= kBatchBytes) impl_->count_batch();
}

std::vector<std::string> VocabularyTrainer::train() {
  std::vector<Word> words = impl_->sorted_words();
  std::vector<std::string> pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  append_characters(words, impl_->options, pieces);
  merge_pairs(segment(words, impl_->options.min_count, pieces),
              static_cast<size_t>(impl_->options.size), pieces);
  return pieces;
}

}  // namespace lemur
