// Longest-prefix look-up in a set of strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

/// Byte trie over the pieces of a vocabulary, its edges in one open-addressing hash table.
/// Immutable; any thread.
class PieceTrie {
 public:
  struct Match {
    int32_t id = -1;    ///< index of the piece; -1: none
    size_t length = 0;  ///< bytes matched
  };

  /// Requires: pieces not empty and distinct.
  explicit PieceTrie(const std::vector<std::string>& pieces);

  /// Returns the longest piece that `text` begins with; as a `continuation`, the longest one that
  /// "##" + `text` begins with, its length without the "##". A match is never of length 0.
  Match longest(std::string_view text, bool continuation) const;

 private:
  static constexpr uint32_t kRoot = 0;

  struct Edge {
    uint64_t key;    // parent's node * 256 + byte
    uint32_t child;  // node; 0: the slot is empty, for no edge leads to the root
    int32_t id;      // of the piece that ends at the child; -1: none
  };

  size_t slot(uint64_t key) const;

  std::vector<Edge> edges_;  // size: a power of two
  int shift_;                // 64 - log2(edges_.size())
  uint32_t continuation_root_ = kRoot;
};

}  // namespace lemur
