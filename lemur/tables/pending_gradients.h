// Gradients of documents whose representation the bank supplied, kept until the encoder computes
// them again.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <span>

#include "lemur/tables/chunked_rows.h"

namespace lemur {

/// Sums of float32 [r] by row of the memory bank (from 0). Not thread-safe.
class PendingGradients {
 public:
  /// Requires: width > 0.
  explicit PendingGradients(int64_t width) : sums_(width), width_(width) {}

  /// Adds gradients [n, r] (float32, contiguous, on the CPU) to the sums of these rows of the bank.
  void add(std::span<const int32_t> rows, const torch::Tensor& gradients);

  /// Returns the sums [n, r], zeros where there is none, and begins them anew.
  torch::Tensor take(std::span<const int32_t> rows);

  int64_t width() const { return width_; }
  bool empty() const { return sums_.size() == 0; }  ///< nothing was ever added
  int64_t size_bytes() const { return sums_.size_bytes(); }

  /// Saves to one file / replaces the content by a file's. Loading throws DataError when the file
  /// is damaged or of another width, and then leaves the content as it was.
  void save(const std::filesystem::path& path) const;
  void load(const std::filesystem::path& path);

 private:
  ChunkedRows<float> sums_;
  int64_t width_;
};

}  // namespace lemur
