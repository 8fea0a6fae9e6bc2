// A keyed permutation of [0, size), computed element by element without a table.
#pragma once

#include <bit>
#include <cstdint>

#include "lemur/base/hash.h"

namespace lemur {

/// Returns where `index` goes in the permutation of [0, size) that `key` names: a Feistel network
/// over the next even power of two, walked until it falls inside. Needs no memory, so a window of
/// any size costs nothing and every batch can be made by itself. Requires: index < size.
inline uint64_t permuted(uint64_t key, uint64_t size, uint64_t index) {
  constexpr uint64_t kRounds = 6;
  const int half_bits = (std::bit_width(size - 1) + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = index >> half_bits, right = index & mask;
    for (uint64_t round = 0; round < kRounds; ++round) {
      uint64_t next = left ^ (mix(key ^ mix(right * kRounds + round)) & mask);
      left = right;
      right = next;
    }
    index = left << half_bits | right;
  } while (index >= size);
  return index;
}

}  // namespace lemur
