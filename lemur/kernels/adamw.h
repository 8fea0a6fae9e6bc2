// AdamW's update of many values at once, on the CPU.
#pragma once

#include <cstdint>

#include "lemur/simd/row_functions.h"

namespace lemur {

/// Updates values [n] and their moments (Loshchilov and Hutter 2019, algorithm 2). On all threads;
/// the result does not depend on their number.
void adamw_update(const AdamWFactors& factors, int64_t n, const float* gradient, float* first,
                  float* second, float* value);

/// Returns the sum of the squares of values [n]. On all threads, likewise.
double sum_of_squares(int64_t n, const float* values);

}  // namespace lemur
