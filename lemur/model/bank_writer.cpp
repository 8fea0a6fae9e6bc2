#include "lemur/model/bank_writer.h"

#include <torch/torch.h>

#include <algorithm>

namespace lemur {
namespace {

constexpr size_t kDocumentsPerPass = 512;  // bounds the memory of one pass of the encoder

}  // namespace

void encode_into_bank(const SampleStore& store, ModelState& state,
                      std::span<const uint32_t> documents, int64_t step, DocumentBank& bank,
                      const std::function<void(int64_t)>& progress) {
  torch::NoGradGuard no_grad;
  const bool was_training = state.model->is_training();
  state.model->eval();
  for (size_t begin = 0; begin < documents.size(); begin += kDocumentsPerPass) {
    auto some = documents.subspan(begin, std::min(kDocumentsPerPass, documents.size() - begin));
    TokenBatch texts = pack_documents(store, some, state.packing());
    bank.write(some, state.model->encode_documents(texts), step);
    if (progress) progress(static_cast<int64_t>(begin + some.size()));
  }
  state.model->train(was_training);
}

}  // namespace lemur
