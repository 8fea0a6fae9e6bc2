// Collisionless embedding table: 64-bit key -> row, grown on demand, with admission, expiry and row-wise Adagrad (model.md 7).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace lemur {

struct EmbeddingTableOptions {
  int64_t width = 16;
  int64_t admit_after = 1;   ///< sightings before a key gets its own row
  int64_t expire_ms = 0;     ///< rows unseen for longer are dropped by `expire`; 0: never
  uint64_t seed = 1;         ///< a new row's values are a function of (seed, key), normal with deviation init_scale
  double init_scale = 0.01;
};

struct RowAdagradOptions {
  double learning_rate = 0.05;
  double epsilon = 1e-8;
  double weight_decay = 0;   ///< decoupled, of touched rows
};

/// Row 0 is the shared default row of all keys without a row; it is learnt like any other. Not thread-safe, except that const members may run concurrently.
class EmbeddingTable {
 public:
  explicit EmbeddingTable(const EmbeddingTableOptions& options);
  ~EmbeddingTable();

  int64_t width() const;
  int64_t size() const;  ///< rows, the default row included
  int64_t size_bytes() const;

  /// Training look-up: counts each key's sightings (each occurrence counts), admits keys, notes `time_ms` as last seen, writes row numbers.
  void find_or_admit(std::span<const uint64_t> keys, int64_t time_ms, std::span<int32_t> rows);

  /// Read-only look-up: 0 where the key has no row.
  void find(std::span<const uint64_t> keys, std::span<int32_t> rows) const;

  /// Returns float32 [n, width], a copy of the rows.
  torch::Tensor gather(std::span<const int32_t> rows) const;

  /// One row-wise Adagrad step: accumulator += mean(g^2) per row; row -= lr g / (sqrt(accumulator) + eps). `rows` distinct, gradient float32 [n, width].
  void apply(std::span<const int32_t> rows, const torch::Tensor& gradient, const RowAdagradOptions& options);

  /// Drops rows last seen before now_ms - expire_ms; returns how many. Their row numbers are reused: row numbers held elsewhere become stale, which
  /// `generation` tells.
  int64_t expire(int64_t now_ms);
  int64_t generation() const;  ///< grows with every expiry that dropped something

  /// Saves to one file everything (rows, accumulators, keys, counts of keys not yet admitted, times) / replaces the content. Deterministic bytes for equal contents.
  void save(const std::filesystem::path& path) const;
  void load(const std::filesystem::path& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
