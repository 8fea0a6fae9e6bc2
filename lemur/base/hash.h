// 64-bit hashes: of bytes (XXH3) and of small tuples of integers, stable across machines and
// versions.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace lemur {

/// Returns XXH3-64 of the bytes. Every ID of the data becomes such a key.
inline uint64_t hash_bytes(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

/// Returns a well-mixed function of `x` (SplitMix64's finaliser).
inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Returns a hash of a pair; order matters.
inline uint64_t hash_combine(uint64_t a, uint64_t b) {
  return mix(mix(a) ^ (b + 0x632be59bd9b4e019ULL));
}

/// Returns a number in [0, 1) drawn by hashing: the same arguments give the same number everywhere.
inline double hash_uniform(uint64_t seed, uint64_t step, uint64_t key) {
  return static_cast<double>(hash_combine(hash_combine(seed, step), key) >> 11) * 0x1.0p-53;
}

}  // namespace lemur
