#include "lemur/text/pair_merger.h"

#include <queue>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

using Pair = std::pair<int32_t, int32_t>;

struct PairHash {
  size_t operator()(const Pair& pair) const {
    return mix(static_cast<uint64_t>(static_cast<uint32_t>(pair.first)) << 32 |
               static_cast<uint32_t>(pair.second));
  }
};

class PairMerger {
 public:
  PairMerger(std::vector<SegmentedWord> words, std::vector<std::string>& pieces)
      : words_(std::move(words)), pieces_(pieces), heap_(Later{pieces}) {
    for (size_t i = 0; i < pieces_.size(); ++i) ids_.emplace(pieces_[i], static_cast<int32_t>(i));
    for (uint32_t w = 0; w < words_.size(); ++w) {
      const std::vector<int32_t>& word = words_[w].pieces;
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        PairState& state = pairs_[{word[i], word[i + 1]}];
        state.count += words_[w].count;
        state.words.push_back(w);
      }
    }
    for (const auto& [pair, state] : pairs_) heap_.push({state.count, pair});
  }

  /// Merges the best pair everywhere. Returns false when no pair is left.
  bool merge_best() {
    while (!heap_.empty()) {
      Candidate best = heap_.top();
      heap_.pop();
      int64_t count = pairs_.at(best.pair).count;
      if (count == best.count) {
        merge(best.pair);
        return true;
      }
      // The count has fallen since; had it risen, another candidate would stand for the pair.
      if (count > 0 && count < best.count) heap_.push({count, best.pair});
    }
    return false;
  }

 private:
  struct PairState {
    int64_t count = 0;
    std::vector<uint32_t> words;  // all that hold the pair, and some that no longer do
  };

  struct Candidate {
    int64_t count;  // at least the pair's, for one candidate of each pair
    Pair pair;
  };

  struct Later {
    const std::vector<std::string>& pieces;

    bool operator()(const Candidate& a, const Candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      if (int order = text(a.pair.first).compare(text(b.pair.first))) return order > 0;
      return text(a.pair.second) > text(b.pair.second);
    }

    const std::string& text(int32_t piece) const { return pieces[static_cast<size_t>(piece)]; }
  };

  void merge(Pair pair) {
    int32_t merged = intern(pair);
    std::unordered_map<Pair, int64_t, PairHash> changes;
    std::vector<uint32_t> affected = std::move(pairs_.at(pair).words);
    for (uint32_t w : affected) merge_in_word(w, pair, merged, changes);
    for (const auto& [changed, change] : changes) {
      PairState& state = pairs_[changed];
      state.count += change;
      if (change > 0) heap_.push({state.count, changed});
    }
  }

  /// Returns the index of the merged piece, a new one unless other pairs made the same piece.
  int32_t intern(Pair pair) {
    std::string text = pieces_[static_cast<size_t>(pair.first)];
    text += std::string_view(pieces_[static_cast<size_t>(pair.second)]).substr(2);
    auto [known, inserted] = ids_.emplace(text, static_cast<int32_t>(pieces_.size()));
    if (inserted) pieces_.push_back(std::move(text));
    return known->second;
  }

  void merge_in_word(uint32_t w, Pair pair, int32_t merged,
                     std::unordered_map<Pair, int64_t, PairHash>& changes) {
    std::vector<int32_t>& word = words_[w].pieces;
    old_ = word;
    word.clear();
    for (size_t i = 0; i < old_.size(); ++i) {
      bool found = i + 1 < old_.size() && old_[i] == pair.first && old_[i + 1] == pair.second;
      word.push_back(found ? merged : old_[i]);
      if (found) ++i;
    }
    if (word.size() == old_.size()) return;
    int64_t count = words_[w].count;
    for (size_t i = 0; i + 1 < old_.size(); ++i) changes[{old_[i], old_[i + 1]}] -= count;
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      changes[{word[i], word[i + 1]}] += count;
      if (word[i] == merged || word[i + 1] == merged)
        pairs_[{word[i], word[i + 1]}].words.push_back(w);
    }
  }

  std::vector<SegmentedWord> words_;
  std::vector<std::string>& pieces_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<Pair, PairState, PairHash> pairs_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> heap_;
  std::vector<int32_t> old_;  // scratch of merge_in_word
};

}  // namespace

void merge_pairs(std::vector<SegmentedWord> words, size_t size, std::vector<std::string>& pieces) {
  PairMerger merger(std::move(words), pieces);
  while (pieces.size() < size && merger.merge_best()) continue;
}

}  // namespace lemur
