// Room for what a kernel needs while it runs.
#pragma once

#include <cstdint>
#include <vector>

namespace lemur {

/// Hands out parts of a buffer.
template <typename T>
struct Scratch {
  T* next;

  T* take(int64_t size) {
    T* part = next;
    next += size;
    return part;
  }
};

/// A buffer of the calling thread that grows and stays. Every `User` has one of its own.
template <typename T, typename User>
T* thread_buffer(int64_t size) {
  static thread_local std::vector<T> values;
  if (static_cast<int64_t>(values.size()) < size) values.resize(static_cast<size_t>(size));
  return values.data();
}

}  // namespace lemur
