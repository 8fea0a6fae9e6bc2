#include "lemur/model/token_batch.h"

#include <algorithm>
#include <vector>

namespace lemur {
namespace {

/// Collects one sequence after the other, then hands out tensors.
class Packer {
 public:
  void start() { offsets_.push_back(static_cast<int64_t>(tokens_.size())); }
  void add(int64_t token, int64_t type) {
    positions_.push_back(static_cast<int64_t>(tokens_.size()) - offsets_.back());
    tokens_.push_back(token);
    types_.push_back(type);
  }
  void add(std::span<const int32_t> tokens, int64_t type) {
    for (int32_t token : tokens) add(token, type);
  }
  TokenBatch finish() {
    start();
    return {torch::tensor(tokens_, torch::kInt64), torch::tensor(positions_, torch::kInt64),
            torch::tensor(types_, torch::kInt64), torch::tensor(offsets_, torch::kInt64)};
  }

 private:
  std::vector<int64_t> tokens_, positions_, types_, offsets_;
};

}  // namespace

int64_t max_document_length(const StoreSchema& schema) {
  int64_t length = 1;
  for (const auto& field : schema.text) length += field.max_tokens + 1;
  return length;
}

TokenBatch pack_documents(const SampleStore& store, std::span<const uint32_t> documents,
                          const SpecialTokens& special) {
  Packer packer;
  for (uint32_t document : documents) {
    packer.start();
    packer.add(special.cls, 0);
    for (size_t field = 0; field < store.schema().text.size(); ++field) {
      auto type = static_cast<int64_t>(field);
      packer.add(store.document_tokens(document, field), type);
      packer.add(special.sep, type);
    }
  }
  return packer.finish();
}

TokenBatch pack_queries(const SampleStore& store, std::span<const uint32_t> queries,
                        int64_t max_tokens, const SpecialTokens& special) {
  Packer packer;
  for (uint32_t query : queries) {
    packer.start();
    packer.add(special.cls, 0);
    auto tokens = store.query_tokens()[query];
    packer.add(tokens.first(std::min<size_t>(tokens.size(), static_cast<size_t>(max_tokens))), 0);
    packer.add(special.sep, 0);
  }
  return packer.finish();
}

}  // namespace lemur
