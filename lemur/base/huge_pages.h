// Memory on huge pages: rows read in random order from memory on pages of 4 KB miss the TLB at
// nearly every row.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>

namespace lemur {

inline constexpr size_t kHugePage = size_t{2} << 20;

/// Returns `bytes` of memory, to be given back by std::free; 2 MB and more are aligned to huge
/// pages, and on them where the system grants it. Throws std::bad_alloc.
inline void* allocate_pages(size_t bytes) {
  const bool huge = bytes >= kHugePage;
  void* memory = nullptr;
  if (!huge)
    memory = std::malloc(bytes);
  else if (posix_memalign(&memory, kHugePage, bytes) == 0)
    madvise(memory, bytes, MADV_HUGEPAGE);  // advice: without it, it is only slower
  if (memory == nullptr && bytes > 0) throw std::bad_alloc();
  return memory;
}

struct FreePages {
  void operator()(void* memory) const { std::free(memory); }
};

/// Numbers in memory of `allocate_pages`.
template <typename T>
using PagedArray = std::unique_ptr<T[], FreePages>;

/// `allocate_pages` for containers.
template <typename T>
struct HugePageAllocator {
  using value_type = T;

  HugePageAllocator() = default;
  template <typename U>
  HugePageAllocator(const HugePageAllocator<U>& /*other*/) {}

  T* allocate(size_t size) {
    if (size > std::numeric_limits<size_t>::max() / 2 / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(allocate_pages(size * sizeof(T)));
  }
  void deallocate(T* memory, size_t /*size*/) { std::free(memory); }

  friend bool operator==(const HugePageAllocator& /*a*/, const HugePageAllocator& /*b*/) {
    return true;
  }
};

}  // namespace lemur
