// Products in 8 bits by oneDNN, on processors with VNNI (or AMX).
#pragma once

#include <cstdint>
#include <memory>

namespace lemur {

/// Weights [n, k] of a linear layer rounded to 8 bits with one scale for each output. Immutable;
/// any thread.
class VnniWeights {
 public:
  static constexpr int64_t kMostRows = 128;  ///< of multiply

  /// Whether oneDNN adds up products of 8 bits in 32 bits here. Without VNNI it does in 16, and
  /// cuts off silently what is larger.
  static bool are_supported();

  /// Requires: are_supported().
  VnniWeights(const float* weight, int64_t n, int64_t k);
  ~VnniWeights();
  VnniWeights(VnniWeights&&) noexcept;

  /// Writes y [rows, n] = x [rows, k] W^T + bias for up to kMostRows rows, as int8_rows
  /// (simd/int8_rows.h) does, on the calling thread.
  void multiply(int64_t rows, const float* x, const float* bias, float* y) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
