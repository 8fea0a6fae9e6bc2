// Collisionless embedding table: 64-bit key -> row, grown on demand, with admission, expiry and
// row-wise Adagrad (model.md 7).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace lemur {

struct EmbeddingTableOptions {
  int64_t width = 16;
  int64_t admit_after = 1;  ///< sightings before a key gets its own row
  int64_t expire_ms = 0;    ///< rows unseen for longer are dropped by `expire`; 0: never
  uint64_t seed = 1;        ///< a new row's values are a function of (seed, key), normal with
                            ///< deviation init_scale
  double init_scale = 0.01;
};

struct RowAdagradOptions {
  double learning_rate = 0.05;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< decoupled, of touched rows
};

/// Row 0 is the shared default row of all keys without a row; it begins as zeros, is learnt like
/// any other and never expires. Not thread-safe, except that const members may run concurrently.
class EmbeddingTable {
 public:
  /// Throws InvalidArgument when an option is out of range.
  explicit EmbeddingTable(const EmbeddingTableOptions& options);
  ~EmbeddingTable();

  int64_t width() const;
  int64_t size() const;        ///< rows in use, the default row included
  int64_t size_bytes() const;  ///< memory held

  /// Training look-up: counts each key's sightings (each occurrence counts), admits keys, notes
  /// `time_ms` as last seen, writes row numbers to `rows` [n]. The sighting that makes admit_after
  /// full already gets the key's own row. Not `is_first`, for samples that were counted before,
  /// nothing is counted: who waits goes on waiting.
  void find_or_admit(std::span<const uint64_t> keys, int64_t time_ms, std::span<int32_t> rows,
                     bool is_first = true);

  /// Takes the last find_or_admit back: rows, counts and times are as before it. Requires: no
  /// `expire` and no `load` since.
  void undo_admission();

  /// Read-only look-up: 0 where the key has no row.
  void find(std::span<const uint64_t> keys, std::span<int32_t> rows) const;

  /// Returns float32 [n, width], a copy of the rows. Throws InvalidArgument when the table has no
  /// such row.
  torch::Tensor gather(std::span<const int32_t> rows) const;

  /// One row-wise Adagrad step: row *= 1 - lr weight_decay; accumulator += mean(g^2) per row;
  /// row -= lr g / (sqrt(accumulator) + eps). `rows` [n] distinct, gradient float32 [n, width] on
  /// the CPU. Throws InvalidArgument, before anything is changed, when a row, shape or type is
  /// wrong.
  void apply(std::span<const int32_t> rows, const torch::Tensor& gradient,
             const RowAdagradOptions& options);

  /// Begins a step of the rows' moving averages, average = decay average + (1 - decay) row, which
  /// every row takes part in, touched or not: `apply` and `swap_averages` make up for the steps in
  /// which a row was left alone. The first call makes the averages, equal to the rows.
  void advance_averages(double decay);

  /// Exchanges every row with its average, if there are some; twice restores the rows.
  void swap_averages();

  /// The averages, if there are some, become the rows, and are kept no longer.
  void adopt_averages();

  /// Drops rows last seen before now_ms - expire_ms; returns how many. Their row numbers are
  /// reused: row numbers held elsewhere become stale, which `generation` tells. Forgets the
  /// sightings of keys not yet admitted by the same rule.
  int64_t expire(int64_t now_ms);
  int64_t generation() const;  ///< grows with every expiry that dropped something

  /// Saves to one file everything (rows, averages, accumulators, keys, counts of keys not yet
  /// admitted, times, free rows) / replaces the content. Deterministic bytes for equal contents;
  /// row numbers survive. Loading throws DataError when the file is damaged or of another width,
  /// and then leaves the table as it was.
  void save(const std::filesystem::path& path) const;
  void load(const std::filesystem::path& path);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lemur
