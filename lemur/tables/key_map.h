// The hash map from 64-bit keys that the tables stand on.
#pragma once

#include <tsl/robin_map.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "lemur/base/hash.h"
#include "lemur/base/huge_pages.h"

namespace lemur {

/// Mixes keys, so that keys with equal low bits do not collide.
struct KeyHash {
  size_t operator()(uint64_t key) const { return mix(key); }
};

template <typename Value>
using KeyMap = tsl::robin_map<uint64_t, Value, KeyHash, std::equal_to<>,
                              HugePageAllocator<std::pair<uint64_t, Value>>>;

/// Returns the memory of a map's buckets, each a pair and its distance from the ideal place.
template <typename Value>
int64_t map_bytes(const KeyMap<Value>& map) {
  return static_cast<int64_t>(map.bucket_count() *
                              (sizeof(std::pair<uint64_t, Value>) + sizeof(uint64_t)));
}

}  // namespace lemur
