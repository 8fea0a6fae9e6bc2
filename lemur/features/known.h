// What a request may know: the one rule of time that histories and counters are cut by.
#pragma once

#include <cstdint>
#include <limits>

namespace lemur {

/// An event of time t is known to a request whose first impression is of `request_time` when t is
/// less than the result: when it came more than `delay_ms` earlier. Events of the request itself
/// are never known to it. Times in milliseconds; saturates.
inline int64_t known_before(int64_t request_time, int64_t delay_ms) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  return request_time < kLeast + delay_ms ? kLeast : request_time - delay_ms;
}

/// An event is too old for a window where its time is less than the result; a window of 0 has no
/// beginning.
inline int64_t window_begin(int64_t request_time, int64_t window_ms) {
  return window_ms == 0 ? std::numeric_limits<int64_t>::min()
                        : known_before(request_time, window_ms);
}

}  // namespace lemur
