// The most float32 operations that a path can do, from a loop that does nothing else.
#pragma once

#include <cstdint>

namespace lemur {

/// Multiplies and adds in registers, so many rounds of peak_flops() operations each, on the calling
/// thread. Returns something that depends on all of them.
float multiply_and_add(int64_t rounds);

/// Operations of a round: a multiplication and an addition count as two.
int64_t peak_flops();

}  // namespace lemur
