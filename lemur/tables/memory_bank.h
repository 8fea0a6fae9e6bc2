// The memory bank: document -> latest representation, with the step and number of its writes (model.md 4).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace lemur {

/// Rows of r numbers, float16 at rest, float32 in use. One writer, any number of concurrent readers. Rows never move or disappear, so a row number found
/// once stays valid for the life of the bank.
class MemoryBank {
 public:
  static constexpr int32_t kAbsent = -1;

  /// Requires: width > 0.
  explicit MemoryBank(int64_t width);
  ~MemoryBank();

  int64_t width() const;
  int64_t size() const;        ///< documents present
  int64_t size_bytes() const;  ///< memory held

  /// Writes the row number of each key to `rows`, kAbsent where the bank lacks it.
  void find(std::span<const uint64_t> keys, std::span<int32_t> rows) const;

  /// Stores vectors [n, r] (float32, CPU, contiguous) under distinct keys, as of `step`, and writes their row numbers to `rows`. Throws DataError when
  /// a vector holds NaN or infinity, before anything is stored.
  void write(std::span<const uint64_t> keys, const torch::Tensor& vectors, int64_t step, std::span<int32_t> rows);

  /// Returns float32 [n, r]: the rows, zeros where kAbsent.
  torch::Tensor gather(std::span<const int32_t> rows) const;

  /// Step of the last write and number of writes of each row. Requires: rows present.
  void ages(std::span<const int32_t> rows, std::span<int64_t> last_step) const;
  int64_t writes(int32_t row) const;

  /// Saves to one file / replaces the content by a file's. Deterministic bytes for equal contents (rows in order). Loading throws DataError when the file
  /// is damaged or of another width.
  void save(const std::filesystem::path& path) const;
  void load(const std::filesystem::path& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
