// Vectors by key, the least recently used dropped first.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lemur {

/// Not thread-safe.
class VectorCache {
 public:
  /// Keeps at most `capacity` vectors. Requires capacity > 0.
  explicit VectorCache(size_t capacity) : capacity_(capacity) {}

  /// Returns the vector of a key, empty where there is none. Valid until the next `add`.
  std::span<const float> find(uint64_t key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return {};
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->second;
  }

  /// Stores a vector under a key that `find` did not find.
  void add(uint64_t key, std::span<const float> vector) {
    if (entries_.size() == capacity_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, std::vector<float>(vector.begin(), vector.end()));
    places_[key] = entries_.begin();
  }

  size_t size() const { return entries_.size(); }

 private:
  using Entry = std::pair<uint64_t, std::vector<float>>;

  size_t capacity_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<uint64_t, std::list<Entry>::iterator> places_;
};

}  // namespace lemur
