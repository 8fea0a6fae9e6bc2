#include "lemur/model/feature_tables.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "lemur/base/hash.h"
#include "lemur/model/int64_tensor.h"

namespace lemur {
namespace {

constexpr double kMsPerDay = 86'400'000;

std::filesystem::path table_file(const std::filesystem::path& folder, size_t feature) {
  return folder / fmt::format("table_{}.rows", feature);
}

/// Replaces rows [n] by their distinct values, ascending, and returns the index of each row among
/// them, int64 [n].
torch::Tensor make_distinct(std::vector<int32_t>& rows) {
  std::vector<int32_t> distinct = rows;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  torch::Tensor index = torch::empty(static_cast<int64_t>(rows.size()), torch::kInt64);
  auto* position = index.data_ptr<int64_t>();
  for (size_t i = 0; i < rows.size(); ++i)
    position[i] = std::lower_bound(distinct.begin(), distinct.end(), rows[i]) - distinct.begin();
  rows = std::move(distinct);
  return index;
}

/// Returns the keys of all samples, each once for every sample that has it.
std::vector<uint64_t> keys_of_samples(const Batch::Feature& feature) {
  std::vector<uint64_t> keys;
  keys.reserve(feature.keys.size());
  for (size_t b = 0; b + 1 < feature.offsets.size(); ++b) {
    const auto begin = static_cast<ptrdiff_t>(keys.size());
    keys.insert(keys.end(), feature.keys.begin() + static_cast<ptrdiff_t>(feature.offsets[b]),
                feature.keys.begin() + static_cast<ptrdiff_t>(feature.offsets[b + 1]));
    std::sort(keys.begin() + begin, keys.end());
    keys.erase(std::unique(keys.begin() + begin, keys.end()), keys.end());
  }
  return keys;
}

}  // namespace

FeatureTables::FeatureTables(const StoreSchema& schema, uint64_t seed)
    : schema_(schema), tables_(schema.features.size()) {
  for (size_t f = 0; f < schema.features.size(); ++f) {
    const auto& feature = schema.features[f];
    if (feature.is_number) continue;
    tables_[f] = std::make_unique<EmbeddingTable>(EmbeddingTableOptions{
        .width = feature.width,
        .admit_after = feature.admit_after,
        .expire_ms = static_cast<int64_t>(feature.expire_days * kMsPerDay),
        .seed = hash_combine(seed, hash_bytes(feature.of + " " + feature.name)),
        .init_scale = feature.init_scale});
    if (feature.is_document_id) document_feature_ = f;
  }
}

void FeatureTables::admit(const Batch& batch) {
  if (batch.size() == 0) return;
  int64_t now = *std::max_element(batch.times.begin(), batch.times.end());
  for (size_t f = 0; f < tables_.size(); ++f) {
    if (!tables_[f]) continue;
    const std::vector<uint64_t> keys = keys_of_samples(batch.features[f]);
    std::vector<int32_t> rows(keys.size());
    tables_[f]->find_or_admit(keys, now, rows, /*is_first=*/batch.epoch == 0);
  }
}

void FeatureTables::undo_admission() {
  for (auto& table : tables_)
    if (table) table->undo_admission();
}

std::optional<size_t> FeatureTables::find_unfit(std::span<const EmbeddedFeatures> parts) {
  for (const EmbeddedFeatures& part : parts)
    for (const auto& leaf : part.leaves)
      if (leaf.values.grad().defined() &&
          !std::isfinite(leaf.values.grad().square().sum().item<float>()))
        return leaf.feature;
  return std::nullopt;
}

EmbeddedFeatures::Leaf FeatureTables::make_leaf(size_t feature, std::span<const uint64_t> keys,
                                                std::span<const uint64_t> more_keys, bool training,
                                                torch::Tensor& index) const {
  EmbeddedFeatures::Leaf leaf{feature, std::vector<int32_t>(keys.size() + more_keys.size()), {}};
  std::span<int32_t> rows(leaf.rows);
  tables_[feature]->find(keys, rows.first(keys.size()));
  tables_[feature]->find(more_keys, rows.subspan(keys.size()));
  index = make_distinct(leaf.rows);
  leaf.values = tables_[feature]->gather(leaf.rows).requires_grad_(training);
  return leaf;
}

EmbeddedFeatures FeatureTables::embed(const Batch& batch, std::span<const uint64_t> history_keys,
                                      bool training) const {
  EmbeddedFeatures result;
  for (size_t f = 0; f < tables_.size(); ++f) {
    const Batch::Feature& feature = batch.features[f];
    if (!tables_[f]) {
      result.values.push_back(torch::tensor(feature.numbers).unsqueeze(1));
      continue;
    }
    bool embeds_histories = document_feature_ == f;
    torch::Tensor index;
    auto leaf =
        make_leaf(f, feature.keys, embeds_histories ? history_keys : std::span<const uint64_t>(),
                  training, index);
    auto num_keys = static_cast<int64_t>(feature.keys.size());
    torch::Tensor offsets = int64_tensor(feature.offsets);
    bool one_key_each = num_keys == static_cast<int64_t>(batch.size()) &&
                        offsets.equal(torch::arange(num_keys + 1));
    torch::Tensor keys_index = index.narrow(0, 0, num_keys);
    if (num_keys == 0) {
      result.values.push_back(
          torch::zeros({static_cast<int64_t>(batch.size()), schema_.features[f].width}));
    } else if (one_key_each) {
      result.values.push_back(leaf.values.index_select(0, keys_index));
    } else {
      constexpr int64_t kMean = 1;
      result.values.push_back(std::get<0>(at::embedding_bag(
          leaf.values, keys_index, offsets, /*scale_grad_by_freq=*/false, kMean,
          /*sparse=*/false, /*per_sample_weights=*/{}, /*include_last_offset=*/true)));
    }
    if (embeds_histories)
      result.history =
          leaf.values.index_select(0, index.narrow(0, num_keys, index.numel() - num_keys));
    result.leaves.push_back(std::move(leaf));
  }
  return result;
}

void FeatureTables::apply(std::span<const EmbeddedFeatures> parts,
                          const RowAdagradOptions& options) {
  for (size_t l = 0; !parts.empty() && l < parts[0].leaves.size(); ++l) {
    std::vector<int32_t> rows;
    std::vector<torch::Tensor> gradients;
    for (const EmbeddedFeatures& part : parts) {
      const auto& leaf = part.leaves[l];
      if (!leaf.values.grad().defined()) continue;
      rows.insert(rows.end(), leaf.rows.begin(), leaf.rows.end());
      gradients.push_back(leaf.values.grad());
    }
    if (gradients.empty()) continue;
    torch::Tensor gradient = gradients[0];
    if (gradients.size() > 1) {
      const torch::Tensor all = torch::cat(gradients), index = make_distinct(rows);
      gradient = torch::zeros({std::ssize(rows), all.size(1)}).index_add_(0, index, all);
    }
    tables_[parts[0].leaves[l].feature]->apply(rows, gradient, options);
  }
}

void FeatureTables::advance_averages(double decay) {
  for (auto& table : tables_)
    if (table) table->advance_averages(decay);
}

void FeatureTables::swap_averages() {
  for (auto& table : tables_)
    if (table) table->swap_averages();
}

void FeatureTables::adopt_averages() {
  for (auto& table : tables_)
    if (table) table->adopt_averages();
}

int64_t FeatureTables::expire(int64_t now_ms) {
  int64_t dropped = 0;
  for (auto& table : tables_)
    if (table) dropped += table->expire(now_ms);
  return dropped;
}

int64_t FeatureTables::size_bytes() const {
  int64_t bytes = 0;
  for (const auto& table : tables_)
    if (table) bytes += table->size_bytes();
  return bytes;
}

int64_t FeatureTables::num_rows() const {
  int64_t rows = 0;
  for (const auto& table : tables_)
    if (table) rows += table->size();
  return rows;
}

void FeatureTables::save(const std::filesystem::path& folder) const {
  for (size_t f = 0; f < tables_.size(); ++f)
    if (tables_[f]) tables_[f]->save(table_file(folder, f));
}

void FeatureTables::load(const std::filesystem::path& folder) {
  for (size_t f = 0; f < tables_.size(); ++f)
    if (tables_[f]) tables_[f]->load(table_file(folder, f));
}

}  // namespace lemur
