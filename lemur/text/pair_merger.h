// Byte-pair encoding: grows a set of word pieces by merging frequent pairs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lemur {

/// A distinct word as indices of pieces.
struct SegmentedWord {
  std::vector<int32_t> pieces;
  int64_t count = 0;  ///< occurrences
};

/// Appends to `pieces` the pair of neighbours that is most frequent in the words, merged to one
/// piece, again and again until there are `size` pieces or no pair is left. Ties go to the pair
/// whose left, then right piece is lexicographically smaller, so that the order of the words does
/// not matter. Pieces that continue a word begin with "##"; only the first one of a word does not.
void merge_pairs(std::vector<SegmentedWord> words, size_t size, std::vector<std::string>& pieces);

}  // namespace lemur
