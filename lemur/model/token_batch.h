// Packed token sequences of documents and queries, as the encoders read them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>

#include "lemur/data/sample_store.h"
#include "lemur/text/special_tokens.h"

namespace lemur {

/// Texts packed one behind the other, no padding: int64 tokens, positions, types [total] and
/// offsets [n + 1].
struct TokenBatch {
  torch::Tensor tokens, positions, types, offsets;

  int64_t num_texts() const { return offsets.defined() ? offsets.size(0) - 1 : 0; }
};

/// Tokens of the longest document that the schema allows: [CLS] field [SEP] field [SEP] ...
int64_t max_document_length(const StoreSchema& schema);

/// Packs documents: [CLS] field_0 [SEP] field_1 [SEP] ..., the type is the field's index (model.md
/// 2).
TokenBatch pack_documents(const SampleStore& store, std::span<const uint32_t> documents,
                          const SpecialTokens& special);

/// Packs queries: [CLS] tokens [SEP], cut to `max_tokens`, type 0.
TokenBatch pack_queries(const SampleStore& store, std::span<const uint32_t> queries,
                        int64_t max_tokens, const SpecialTokens& special);

}  // namespace lemur
