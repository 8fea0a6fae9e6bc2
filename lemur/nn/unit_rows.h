// Rows of length 1.
#pragma once

#include <torch/types.h>

namespace lemur {

/// Returns x [n, r] with each row divided by its Euclidean length; rows near zero stay so.
inline torch::Tensor unit_rows(const torch::Tensor& x) {
  return x / x.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-8);
}

}  // namespace lemur
