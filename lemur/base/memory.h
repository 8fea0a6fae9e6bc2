// Memory of the process.
#pragma once

#include <sys/resource.h>

#include <cstdint>

namespace lemur {

/// Returns the most bytes that were resident at a time since the process began.
inline int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;  // Linux counts in KiB
}

}  // namespace lemur
