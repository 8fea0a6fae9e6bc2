// The embedding tables of a model's category features, and how a batch's features become tensors
// and their gradients row updates.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lemur/data/batch.h"
#include "lemur/tables/embedding_table.h"

namespace lemur {

/// The batch's features as tensors, with the leaves that collect the tables' gradients.
struct EmbeddedFeatures {
  std::vector<torch::Tensor> values;  ///< per feature of the schema: [B, width] (mean of a
                                      ///< multi-valued category's rows) or [B, 1]
  torch::Tensor history;  ///< [U, width] ID embeddings of the histories' documents; undefined
                          ///< without an ID feature

  /// Rows of one feature's table that the batch uses, and their values as a leaf.
  struct Leaf {
    size_t feature;
    std::vector<int32_t> rows;  ///< [n] distinct
    torch::Tensor values;       ///< [n, width]
  };
  std::vector<Leaf> leaves;
};

/// One table per category feature of the schema. Not thread-safe; `embed` without training is
/// const.
class FeatureTables {
 public:
  FeatureTables(const StoreSchema& schema, uint64_t seed);

  /// Index of the category feature on the document's own ID, whose table also embeds histories.
  std::optional<size_t> document_feature() const { return document_feature_; }

  /// Counts sightings and admits the batch's keys: each sample counts once for a key, and in the
  /// first pass over the split only. To be called once per training batch, before `embed`.
  void admit(const Batch& batch);

  /// Takes the last `admit` back.
  void undo_admission();

  /// Looks the batch up. `history_keys` [U]: keys of the histories' documents. With `training` the
  /// leaves require gradients.
  EmbeddedFeatures embed(const Batch& batch, std::span<const uint64_t> history_keys,
                         bool training) const;

  /// Returns the first feature, by its place, one of whose gradients in the leaves is not finite,
  /// or so large that its square is not; nothing where all are fit to apply.
  static std::optional<size_t> find_unfit(std::span<const EmbeddedFeatures> parts);

  /// Applies the gradients that backward left in the leaves, those of all `parts` of a batch as
  /// one.
  void apply(std::span<const EmbeddedFeatures> parts, const RowAdagradOptions& options);

  /// Begin a step of the averages, exchange rows and averages, keep the averages only: see
  /// EmbeddingTable.
  void advance_averages(double decay);
  void swap_averages();
  void adopt_averages();

  /// Drops rows unseen for longer than their features allow; returns how many.
  int64_t expire(int64_t now_ms);

  int64_t size_bytes() const;
  int64_t num_rows() const;

  /// Saves one file per table, table_<feature index>.rows, into `folder` / loads them.
  void save(const std::filesystem::path& folder) const;
  void load(const std::filesystem::path& folder);

 private:
  EmbeddedFeatures::Leaf make_leaf(size_t feature, std::span<const uint64_t> keys,
                                   std::span<const uint64_t> more_keys, bool training,
                                   torch::Tensor& index) const;

  StoreSchema schema_;
  std::vector<std::unique_ptr<EmbeddingTable>> tables_;  // per feature; null for numbers
  std::optional<size_t> document_feature_;
};

}  // namespace lemur
