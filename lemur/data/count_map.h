// A hash map from keys to impressions and clicks, compact.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lemur/base/hash.h"

namespace lemur {

/// Open addressing, 16 bytes a slot. Keys whose count fell back to 0 leave when the map grows.
class CountMap {
 public:
  struct Counts {
    uint64_t key = 0;
    uint32_t count = 0;  ///< 0: the slot is free, or its key's count fell back to 0
    uint32_t clicks = 0;
  };

  /// Returns the counts of a key, zeros where it was never added.
  Counts find(uint64_t key) const {
    if (slots_.empty()) return {};
    const Counts& slot = slots_[place(slots_, key)];
    return slot.key == tag(key) ? slot : Counts{};
  }

  /// Adds one impression.
  void add(uint64_t key, bool clicked) {
    if (8 * (used_ + 1) > 5 * slots_.size()) grow();
    Counts& slot = slots_[place(slots_, key)];
    if (slot.key == 0) ++used_, slot.key = tag(key);
    if (slot.count++ == 0) most_live_ = std::max(most_live_, ++live_);
    slot.clicks += clicked;
  }

  /// Takes back one impression that was added.
  void remove(uint64_t key, bool clicked) {
    Counts& slot = slots_[place(slots_, key)];
    if (--slot.count == 0) --live_;
    slot.clicks -= clicked;
  }

  /// Returns the largest number of keys that had a count at one moment.
  size_t most_keys() const { return most_live_; }

 private:
  // 0 marks a free slot.
  static uint64_t tag(uint64_t key) { return key == 0 ? ~uint64_t{0} : key; }

  static size_t place(const std::vector<Counts>& slots, uint64_t key) {
    size_t mask = slots.size() - 1, at = mix(tag(key)) & mask;
    while (slots[at].key != 0 && slots[at].key != tag(key)) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    size_t size = 64;
    while (8 * (live_ + 1) > 3 * size) size *= 2;
    std::vector<Counts> larger(size);
    for (const Counts& slot : slots_)
      if (slot.count > 0) larger[place(larger, slot.key)] = slot;
    slots_ = std::move(larger);
    used_ = live_;
  }

  std::vector<Counts> slots_;  // size: 0 or a power of two
  size_t used_ = 0;            // slots that are not free
  size_t live_ = 0, most_live_ = 0;
};

}  // namespace lemur
