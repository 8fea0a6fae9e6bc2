// Products with weights in 8 bits, for inference on the CPU.
#pragma once

#include <torch/types.h>

#include <memory>

namespace lemur {

/// Weights rounded to 8 bits with one scale for each output, packed for oneDNN. Immutable; any
/// thread.
class Int8Weights {
 public:
  static constexpr int64_t kMostRows = 128;  ///< of product_rows

  /// `weight` float32 [n, k] or [T, n, k], as linear layers hold it.
  explicit Int8Weights(const torch::Tensor& weight);
  ~Int8Weights();

  /// Returns x W^T + bias, without gradients: x float32 [m, k] or [T, m, k]; each of its rows is
  /// rounded to 8 bits with a scale of its own. `bias` [n] or [T, n]; undefined: none. A row of the
  /// result depends on its row of x only. Throws InvalidArgument where shapes or types do not fit.
  torch::Tensor product(const torch::Tensor& x, const torch::Tensor& bias) const;

  /// The same for up to kMostRows rows of one token, contiguous, on the calling thread. Null bias:
  /// none.
  void product_rows(int64_t token, int64_t rows, const float* x, const float* bias, float* y) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
