// Conversion between float32 and float16 arrays.
#pragma once

#include <cstdint>

namespace lemur {

/// Rounds n numbers to the nearest float16, ties to even; what is 65520 or more becomes infinity.
/// Uses F16C on the paths that have it; the result is the same without.
void to_float16(const float* source, uint16_t* target, int64_t n);

/// Widens n float16 numbers, exactly.
void from_float16(const uint16_t* source, float* target, int64_t n);

/// The same for any CPU.
void to_float16_portable(const float* source, uint16_t* target, int64_t n);
void from_float16_portable(const uint16_t* source, float* target, int64_t n);

}  // namespace lemur
