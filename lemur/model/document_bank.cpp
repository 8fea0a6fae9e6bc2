#include "lemur/model/document_bank.h"

namespace lemur {

DocumentBank::DocumentBank(const SampleStore& store, MemoryBank& bank)
    : keys_(store.document_keys()), bank_(bank), rows_(keys_.size(), MemoryBank::kAbsent) {
  bank_.find(keys_, rows_);
}

std::vector<int32_t> DocumentBank::rows(std::span<const uint32_t> documents) const {
  std::vector<int32_t> rows(documents.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = rows_[documents[i]];
  return rows;
}

torch::Tensor DocumentBank::gather(std::span<const uint32_t> documents) const {
  return bank_.gather(rows(documents));
}

void DocumentBank::write(std::span<const uint32_t> documents, const torch::Tensor& vectors,
                         int64_t step) {
  if (documents.empty()) return;
  std::vector<uint64_t> keys(documents.size());
  std::vector<int32_t> rows(documents.size());
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = keys_[documents[i]];
  bank_.write(keys, vectors, step, rows);
  for (size_t i = 0; i < rows.size(); ++i) rows_[documents[i]] = rows[i];
}

}  // namespace lemur
