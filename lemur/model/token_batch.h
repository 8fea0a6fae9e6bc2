// Packed token sequences of documents and queries, as the encoders read them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/nn/encoder.h"
#include "lemur/text/special_tokens.h"

namespace lemur {

/// Texts packed one behind the other, no padding: int64 tokens, positions, types [total] and
/// offsets [n + 1]; patches of images stand in rows of [PAD].
struct TokenBatch {
  torch::Tensor tokens, positions, types, offsets;
  PackedPatches patches;

  /// Returns it with all but the offsets, which the host reads, on a device.
  TokenBatch on(torch::Device device) const;

  int64_t num_texts() const { return offsets.defined() ? offsets.size(0) - 1 : 0; }
};

/// How images are changed at random in training; the draws are hashes of (seed, document).
struct ImageAugmentation {
  bool flip = false;  ///< left to right, every other time
  double crop = 0;    ///< largest share of a side that is cut off; 0: none
  uint64_t seed = 0;  ///< another one for each step
};

/// How documents are packed.
struct DocumentPacking {
  int64_t patch_pixels = 16;  ///< P, side of a patch
  SpecialTokens special = {};
  ImageAugmentation augmentation = {};
};

/// Rows of the longest document that the schema allows: [CLS] field [SEP] field [SEP] ... and the
/// patches of all images. Throws InvalidArgument where `patch_pixels` does not divide an image.
int64_t max_document_length(const StoreSchema& schema, int64_t patch_pixels);

/// Packs documents: [CLS] field_0 [SEP] field_1 [SEP] ... patches of image_0 ..., the type is the
/// field's index, images behind the texts (model.md 2). A patch has the same position in every
/// document, behind those of the longest text; pixels become -1 to 1, row by row, RGB. A document
/// without an image has no patches of it.
TokenBatch pack_documents(const SampleStore& store, std::span<const uint32_t> documents,
                          const DocumentPacking& packing);

/// What a document says and shows, where it is no document of a store.
struct DocumentContent {
  std::vector<std::vector<int32_t>> texts;       ///< per text field: word pieces, already cut
  std::vector<std::span<const uint8_t>> images;  ///< per image field, as SampleStore::image
};

/// As above; without augmentation.
TokenBatch pack_documents(const StoreSchema& schema, std::span<const DocumentContent> documents,
                          const DocumentPacking& packing);

/// Packs queries: [CLS] tokens [SEP], cut to `max_tokens`, type 0.
TokenBatch pack_queries(const SampleStore& store, std::span<const uint32_t> queries,
                        int64_t max_tokens, const SpecialTokens& special);

/// As above, of word pieces.
TokenBatch pack_queries(std::span<const std::vector<int32_t>> queries, int64_t max_tokens,
                        const SpecialTokens& special);

}  // namespace lemur
