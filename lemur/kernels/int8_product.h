// Products with weights in 8 bits, for inference on the CPU.
#pragma once

#include <torch/types.h>

#include <memory>

namespace lemur {

/// Weights rounded to 8 bits with one scale for each output: packed for oneDNN where the processor
/// has VNNI, elsewhere (rounded to 7 bits) for int8_rows. Immutable; any thread.
class Int8Weights {
 public:
  static constexpr int64_t kMostRows = 128;  ///< of product_rows

  /// Whether the path has products in 8 bits that are faster than float32.
  static bool are_supported();

  /// Steps that a weight is rounded to each way: 127, or 63 where int8_rows takes them.
  static int weight_steps();

  /// `weight` float32 [n, k] or [T, n, k], as linear layers hold it. Throws InvalidArgument where
  /// it is not, or unless are_supported().
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
