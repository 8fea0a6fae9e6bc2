// What callers of these loops leave room for.
#pragma once

#include <cstdint>

namespace lemur::simd {

/// The most values of T that a loop takes at a time on any path: 64 bytes.
template <typename T>
inline constexpr int64_t kLanes = 64 / sizeof(T);

/// Rounds up to a multiple of kLanes.
template <typename T>
constexpr int64_t padded(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

}  // namespace lemur::simd
