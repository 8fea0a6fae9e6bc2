// A copy of a table's rows in a device's memory, float16.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>

namespace lemur {

/// Grows by doubling. Not thread-safe.
class DeviceRows {
 public:
  /// Throws InvalidArgument unless width > 0.
  DeviceRows(int64_t width, torch::Device device);

  /// Writes `vectors` (float32 [n, width], on any device) into the distinct rows `rows` [n],
  /// rounded to float16. Throws InvalidArgument where a shape does not fit or a row is negative.
  void write(std::span<const int32_t> rows, const torch::Tensor& vectors);

  /// Returns float32 [n, width] on the device: the rows, zeros where -1. Throws InvalidArgument
  /// where a row was never written to nor one behind it.
  torch::Tensor gather(std::span<const int32_t> rows) const;

  int64_t size_bytes() const { return static_cast<int64_t>(rows_.nbytes()); }

 private:
  torch::Tensor on_device(std::span<const int32_t> rows, int32_t lowest, int64_t limit) const;

  torch::Tensor rows_;  // float16 [capacity, width]
  int64_t size_ = 0;    // rows up to the last one written
};

}  // namespace lemur
