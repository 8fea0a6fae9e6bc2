// What requests made the model encode of late, so that the next model can have it ready.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace lemur {

/// Distinct items, the least recently noted dropped first. Not thread-safe.
template <typename T>
class RecentItems {
 public:
  /// Keeps at most `capacity` items. Requires capacity > 0.
  explicit RecentItems(size_t capacity) : capacity_(capacity) {}

  void note(const T& item) {
    if (const auto found = places_.find(item); found != places_.end()) {
      items_.splice(items_.begin(), items_, found->second);
      return;
    }
    if (items_.size() == capacity_) {
      places_.erase(items_.back());
      items_.pop_back();
    }
    items_.push_front(item);
    places_[item] = items_.begin();
  }

  /// Returns what is kept, the newest first.
  std::vector<T> items() const { return {items_.begin(), items_.end()}; }

 private:
  size_t capacity_;
  std::list<T> items_;  // newest first
  std::unordered_map<T, typename std::list<T>::iterator> places_;
};

/// All members may be called from any thread.
class RecentContent {
 public:
  /// Notes a document of the store, which the bank lacks.
  void note_document(uint32_t document) {
    std::lock_guard lock(mutex_);
    documents_.note(document);
  }
  /// Notes a query's words.
  void note_query(const std::string& text) {
    std::lock_guard lock(mutex_);
    queries_.note(text);
  }

  /// Return what is kept, the newest first.
  std::vector<uint32_t> documents() const {
    std::lock_guard lock(mutex_);
    return documents_.items();
  }
  std::vector<std::string> queries() const {
    std::lock_guard lock(mutex_);
    return queries_.items();
  }

 private:
  static constexpr size_t kKept = 256;  // of each; a new model waits until they are encoded

  mutable std::mutex mutex_;  // guards what follows
  RecentItems<uint32_t> documents_{kKept};
  RecentItems<std::string> queries_{kKept};
};

}  // namespace lemur
