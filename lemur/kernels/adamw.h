// AdamW's update of many values at once, on the CPU.
#pragma once

#include <cstdint>

namespace lemur {

/// Factors of one update, the corrections of the moments' bias worked in.
struct AdamWFactors {
  float beta1, beta2, epsilon;
  float step_size;  ///< learning rate / (1 - beta1^t)
  float root;       ///< 1 / sqrt(1 - beta2^t)
  float keep;       ///< 1 - learning rate * weight decay
};

/// Updates values [n] and their moments (Loshchilov and Hutter 2019, algorithm 2). On all threads;
/// the result does not depend on their number.
void adamw_update(const AdamWFactors& factors, int64_t n, const float* gradient, float* first,
                  float* second, float* value);

/// Returns the sum of the squares of values [n]. On all threads, likewise.
double sum_of_squares(int64_t n, const float* values);

}  // namespace lemur
