#include "lemur/model/token_batch.h"

#include <algorithm>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/model/image_patches.h"

namespace lemur {
namespace {

/// Collects one sequence after the other, then hands out tensors.
class Packer {
 public:
  explicit Packer(int64_t patch_width = 0) : patch_width_(patch_width) {}

  void start() { offsets_.push_back(static_cast<int64_t>(tokens_.size())); }
  void add(int64_t token, int64_t type) {
    positions_.push_back(static_cast<int64_t>(tokens_.size()) - offsets_.back());
    tokens_.push_back(token);
    types_.push_back(type);
  }
  void add(std::span<const int32_t> tokens, int64_t type) {
    for (int32_t token : tokens) add(token, type);
  }
  /// Adds an image of `count` patches whose first one has position `position`.
  void add(const ImageView& image, const ImageWindow& window, int64_t patch_pixels, int64_t count,
           int64_t position, int64_t type) {
    append_patches(image, window, patch_pixels, values_);
    for (int64_t i = 0; i < count; ++i) {
      rows_.push_back(static_cast<int64_t>(tokens_.size()));
      tokens_.push_back(0);
      positions_.push_back(position + i);
      types_.push_back(type);
    }
  }
  TokenBatch finish() {
    start();
    TokenBatch batch{torch::tensor(tokens_, torch::kInt64),
                     torch::tensor(positions_, torch::kInt64),
                     torch::tensor(types_, torch::kInt64),
                     torch::tensor(offsets_, torch::kInt64),
                     {}};
    if (!rows_.empty())
      batch.patches = {torch::tensor(values_).view({-1, patch_width_}),
                       torch::tensor(rows_, torch::kInt64)};
    return batch;
  }

 private:
  int64_t patch_width_;
  std::vector<int64_t> tokens_, positions_, types_, offsets_, rows_;
  std::vector<float> values_;
};

/// Rows of the longest document without its images.
int64_t max_text_length(const StoreSchema& schema) {
  int64_t length = 1;
  for (const auto& field : schema.text) length += field.max_tokens + 1;
  return length;
}

int64_t num_patches(const StoreSchema::ImageField& image, int64_t patch_pixels) {
  if (image.pixels % patch_pixels != 0)
    fail<InvalidArgument>("model",
                          "image '{}' has {} pixels a side; model.patch_pixels = {} does not "
                          "divide it",
                          image.name, image.pixels, patch_pixels);
  int64_t side = image.pixels / patch_pixels;
  return side * side;
}

ImageWindow window_of(const ImageAugmentation& how, uint64_t document, size_t field) {
  if (!how.flip && how.crop == 0) return {};
  return draw_window(how.flip, how.crop, hash_combine(hash_combine(how.seed, document), field));
}

}  // namespace

int64_t max_document_length(const StoreSchema& schema, int64_t patch_pixels) {
  int64_t length = max_text_length(schema);
  for (const auto& image : schema.images) length += num_patches(image, patch_pixels);
  return length;
}

TokenBatch TokenBatch::on(torch::Device device) const {
  const auto moved = [&](const torch::Tensor& x) { return x.defined() ? x.to(device) : x; };
  return {moved(tokens),
          moved(positions),
          moved(types),
          offsets,
          {moved(patches.values), moved(patches.rows)}};
}

namespace {

/// Packs documents 0 to count - 1: tokens(i, field), image(i, field) as RGB, key(i) for what is
/// drawn.
template <typename Tokens, typename Image, typename Key>
TokenBatch pack(const StoreSchema& schema, size_t count, const DocumentPacking& packing,
                const Tokens& tokens, const Image& image, const Key& key) {
  const int64_t text_length = max_text_length(schema);
  Packer packer(3 * packing.patch_pixels * packing.patch_pixels);
  for (size_t i = 0; i < count; ++i) {
    packer.start();
    packer.add(packing.special.cls, 0);
    for (size_t field = 0; field < schema.text.size(); ++field) {
      auto type = static_cast<int64_t>(field);
      packer.add(tokens(i, field), type);
      packer.add(packing.special.sep, type);
    }
    int64_t position = text_length;
    for (size_t field = 0; field < schema.images.size(); ++field) {
      const ImageView view{image(i, field), schema.images[field].pixels};
      const int64_t patches = num_patches(schema.images[field], packing.patch_pixels);
      if (!view.rgb.empty())
        packer.add(view, window_of(packing.augmentation, key(i), field), packing.patch_pixels,
                   patches, position, static_cast<int64_t>(schema.text.size() + field));
      position += patches;
    }
  }
  return packer.finish();
}

template <typename Tokens>
TokenBatch pack(size_t count, int64_t max_tokens, const SpecialTokens& special,
                const Tokens& tokens) {
  Packer packer;
  for (size_t i = 0; i < count; ++i) {
    packer.start();
    packer.add(special.cls, 0);
    const std::span<const int32_t> all = tokens(i);
    packer.add(all.first(std::min<size_t>(all.size(), static_cast<size_t>(max_tokens))), 0);
    packer.add(special.sep, 0);
  }
  return packer.finish();
}

}  // namespace

TokenBatch pack_documents(const SampleStore& store, std::span<const uint32_t> documents,
                          const DocumentPacking& packing) {
  return pack(
      store.schema(), documents.size(), packing,
      [&](size_t i, size_t field) { return store.document_tokens(documents[i], field); },
      [&](size_t i, size_t field) { return store.image(documents[i], field); },
      [&](size_t i) { return store.document_keys()[documents[i]]; });
}

TokenBatch pack_documents(const StoreSchema& schema, std::span<const DocumentContent> documents,
                          const DocumentPacking& packing) {
  return pack(
      schema, documents.size(), packing,
      [&](size_t i, size_t field) { return std::span(documents[i].texts[field]); },
      [&](size_t i, size_t field) { return documents[i].images[field]; },
      [](size_t) { return uint64_t{0}; });
}

TokenBatch pack_queries(const SampleStore& store, std::span<const uint32_t> queries,
                        int64_t max_tokens, const SpecialTokens& special) {
  return pack(queries.size(), max_tokens, special,
              [&](size_t i) { return store.query_tokens()[queries[i]]; });
}

TokenBatch pack_queries(std::span<const std::vector<int32_t>> queries, int64_t max_tokens,
                        const SpecialTokens& special) {
  return pack(queries.size(), max_tokens, special, [&](size_t i) { return std::span(queries[i]); });
}

}  // namespace lemur
