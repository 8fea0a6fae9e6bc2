#include "lemur/simd/flops.h"

#include <mutex>
#include <set>

namespace lemur {
namespace {

std::atomic<FlopPart> current_part = FlopPart::kOther;

class ThreadCounts;

struct AllCounts {
  std::mutex mutex;  // guards both
  std::set<const ThreadCounts*> threads;
  Flops ended{};  // of threads that are gone
};

AllCounts& all_counts() {
  static auto* counts = new AllCounts;  // outlives every thread
  return *counts;
}

/// A thread adds to its own counts only: no thread waits for another's cache line.
class ThreadCounts {
 public:
  ThreadCounts() {
    std::lock_guard lock(all_counts().mutex);
    all_counts().threads.insert(this);
  }
  ~ThreadCounts() {
    std::lock_guard lock(all_counts().mutex);
    all_counts().threads.erase(this);
    add_to(all_counts().ended);
  }
  void add(FlopPart part, int64_t operations) {
    std::atomic<int64_t>& count = counts_[static_cast<size_t>(part)];
    count.store(count.load(std::memory_order_relaxed) + operations, std::memory_order_relaxed);
  }
  void add_to(Flops& sum) const {
    for (size_t part = 0; part < kNumFlopParts; ++part)
      sum[part] += counts_[part].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<int64_t>, kNumFlopParts> counts_{};
};

}  // namespace

Flops counted_flops() {
  AllCounts& all = all_counts();
  std::lock_guard lock(all.mutex);
  Flops sum = all.ended;
  for (const ThreadCounts* thread : all.threads) thread->add_to(sum);
  return sum;
}

void count_flops(int64_t operations) {
  thread_local ThreadCounts counts;
  counts.add(current_flop_part(), operations);
}

FlopPart current_flop_part() { return current_part.load(std::memory_order_relaxed); }

FlopScope::FlopScope(FlopPart part) : before_(current_part.exchange(part)) {}

FlopScope::~FlopScope() { current_part.store(before_); }

}  // namespace lemur
