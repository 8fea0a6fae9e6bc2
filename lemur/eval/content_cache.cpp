#include "lemur/eval/content_cache.h"

#include <torch/torch.h>

#include "lemur/model/bank_writer.h"

namespace lemur {

ContentCache::ContentCache(const SampleStore& store, ModelState& state)
    : store_(store),
      state_(state),
      empty_(state.model->representation_width()),
      fresh_(state.model->representation_width()),
      bank_documents_(store, state.bank ? *state.bank : empty_),
      fresh_documents_(store, fresh_),
      reads_bank_(!state.options.bank.fresh_evaluation) {}

StoredContent ContentCache::documents(std::span<const uint32_t> documents) {
  torch::NoGradGuard no_grad;
  std::vector<uint32_t> missing;
  for (uint32_t document : documents)
    if (!(reads_bank_ && bank_has(document)) && !fresh_documents_.contains(document))
      missing.push_back(document);
  encode_into_bank(store_, state_, missing, /*step=*/0, fresh_documents_);
  // Each document is in exactly one of the two that are read; the other gives zeros.
  torch::Tensor vectors = fresh_documents_.gather(documents);
  if (reads_bank_) vectors.add_(bank_documents_.gather(documents));
  return {vectors, std::vector<bool>(documents.size(), true)};
}

}  // namespace lemur
