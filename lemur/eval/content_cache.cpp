#include "lemur/eval/content_cache.h"

#include <torch/torch.h>

#include <algorithm>

namespace lemur {
namespace {

constexpr size_t kDocumentsPerPass = 512;  // bounds the memory of one pass of the encoder

}  // namespace

ContentCache::ContentCache(const SampleStore& store, ModelState& state)
    : store_(store),
      state_(state),
      empty_(state.model->representation_width()),
      fresh_(state.model->representation_width()),
      stored_documents_(store,
                        state.bank && !state.options.bank.fresh_evaluation ? *state.bank : empty_),
      fresh_documents_(store, fresh_) {}

StoredContent ContentCache::documents(std::span<const uint32_t> documents) {
  torch::NoGradGuard no_grad;
  std::vector<uint32_t> missing;
  for (uint32_t document : documents)
    if (!stored_documents_.contains(document) && !fresh_documents_.contains(document))
      missing.push_back(document);
  for (size_t begin = 0; begin < missing.size(); begin += kDocumentsPerPass) {
    auto some = std::span<const uint32_t>(missing).subspan(
        begin, std::min(kDocumentsPerPass, missing.size() - begin));
    fresh_documents_.write(
        some,
        state_.model->encode_documents(pack_documents(store_, some, state_.special)).contiguous(),
        0);
  }
  // Each document is in exactly one of the two; the other gives zeros.
  torch::Tensor vectors = stored_documents_.gather(documents);
  if (fresh_.size() > 0) vectors.add_(fresh_documents_.gather(documents));
  return {vectors, std::vector<bool>(documents.size(), true)};
}

}  // namespace lemur
