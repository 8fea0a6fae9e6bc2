// The memory bank: document -> latest representation, with the step and number of its writes
// (model.md 4).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "lemur/base/error.h"

namespace lemur {

/// A vector that the bank cannot hold.
class UnstorableVector : public DataError {
 public:
  using DataError::DataError;
};

/// What a bank held under some keys.
struct BankRows {
  std::vector<uint64_t> keys;               // [n]
  std::vector<int32_t> rows;                // [n], MemoryBank::kAbsent
  std::vector<int64_t> last_steps, writes;  // [n]
  std::vector<uint16_t> vectors;            // float16 [n, r]
};

/// Rows of r numbers, float16 at rest, float32 in use. One writer, any number of concurrent
/// readers, each of whose calls sees every row whole; a waiting writer goes before new readers.
/// Rows never move or disappear, so a row number found once stays valid for the life of the bank
/// (until `load` or `put_back`).
class MemoryBank {
 public:
  static constexpr int32_t kAbsent = -1;

  /// Throws InvalidArgument unless width > 0.
  explicit MemoryBank(int64_t width);
  ~MemoryBank();

  int64_t width() const;
  int64_t size() const;        ///< documents present
  int64_t size_bytes() const;  ///< memory held

  /// Writes the row number of each key to `rows` [n], kAbsent where the bank lacks it.
  void find(std::span<const uint64_t> keys, std::span<int32_t> rows) const;

  /// Stores vectors [n, r] (float32, CPU, contiguous) under distinct keys, as of `step`, and writes
  /// their row numbers to `rows` [n]. Throws UnstorableVector, before anything is stored, when a
  /// vector holds NaN, infinity or a number that float16 cannot hold (65520 and beyond);
  /// InvalidArgument when a shape or type is wrong.
  void write(std::span<const uint64_t> keys, const torch::Tensor& vectors, int64_t step,
             std::span<int32_t> rows);

  /// Returns what distinct keys hold / takes back the write that came next, of these keys and no
  /// other: what it added is removed, what it replaced is back.
  BankRows held(std::span<const uint64_t> keys) const;
  void put_back(const BankRows& held);

  /// Returns float32 [n, r]: the rows, zeros where kAbsent. Throws InvalidArgument when the bank
  /// has no such row.
  torch::Tensor gather(std::span<const int32_t> rows) const;

  /// Step of the last write [n] / number of writes of a row. Throws InvalidArgument when the bank
  /// has no such row.
  void ages(std::span<const int32_t> rows, std::span<int64_t> last_step) const;
  int64_t writes(int32_t row) const;

  /// Saves to one file / replaces the content by a file's. Deterministic bytes for equal contents
  /// (rows in order). Loading throws DataError when the file is damaged or of another width, and
  /// then leaves the bank as it was. A write waits until `save` is over, and so do the readers that
  /// come after it: save from the writer's thread.
  void save(const std::filesystem::path& path) const;
  void load(const std::filesystem::path& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
