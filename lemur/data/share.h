// Shares the parts of a range among threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lemur {

/// Calls work(begin, end) for parts of [0, count) of at most `part` items, in up to `threads`
/// threads, this one included, and returns when all are done. Throws what the first failing part
/// throws; parts that had not begun are left out then.
template <typename Work>
void share(size_t count, size_t part, int64_t threads, const Work& work) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;  // guards fault
  std::exception_ptr fault;
  auto run = [&] {
    try {
      for (size_t begin; (begin = next.fetch_add(part)) < count;)
        work(begin, std::min(begin + part, count));
    } catch (...) {
      next = count;
      std::lock_guard lock(mutex);
      if (!fault) fault = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int64_t i = 1; i < threads && static_cast<size_t>(i) * part < count; ++i)
      others.emplace_back(run);
    run();
  }
  if (fault) std::rethrow_exception(fault);
}

}  // namespace lemur
