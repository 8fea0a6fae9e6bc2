#include "lemur/model/document_bank.h"

#include <algorithm>
#include <numeric>

#include "lemur/kernels/device.h"

namespace lemur {

DocumentBank::DocumentBank(const SampleStore& store, MemoryBank& bank, torch::Device device)
    : keys_(store.document_keys()), bank_(bank), rows_(keys_.size(), MemoryBank::kAbsent) {
  bank_.find(keys_, rows_);
  if (!takes_launchers(device)) return;
  on_device_.emplace(bank.width(), device);
  constexpr int64_t kRowsAtOnce = 1 << 16;
  std::vector<int32_t> rows;
  for (int64_t begin = 0; begin < bank.size(); begin += kRowsAtOnce) {
    rows.resize(static_cast<size_t>(std::min(kRowsAtOnce, bank.size() - begin)));
    std::iota(rows.begin(), rows.end(), static_cast<int32_t>(begin));
    on_device_->write(rows, bank.gather(rows));
  }
}

std::vector<int32_t> DocumentBank::rows(std::span<const uint32_t> documents) const {
  std::vector<int32_t> rows(documents.size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = rows_[documents[i]];
  return rows;
}

torch::Tensor DocumentBank::gather(std::span<const uint32_t> documents) const {
  return on_device_ ? on_device_->gather(rows(documents)) : bank_.gather(rows(documents));
}

void DocumentBank::write(std::span<const uint32_t> documents, const torch::Tensor& vectors,
                         int64_t step) {
  if (documents.empty()) return;
  std::vector<uint64_t> keys(documents.size());
  std::vector<int32_t> rows(documents.size());
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = keys_[documents[i]];
  std::optional<BankRows> before;
  if (written_) before = bank_.held(keys);
  bank_.write(keys, vectors.to(torch::kCPU).contiguous(), step, rows);
  if (on_device_) on_device_->write(rows, vectors);
  for (size_t i = 0; i < rows.size(); ++i) rows_[documents[i]] = rows[i];
  if (before) written_->push_back({{documents.begin(), documents.end()}, std::move(*before)});
}

void DocumentBank::begin_step() { written_.emplace(); }

void DocumentBank::undo_step() {
  for (; written_ && !written_->empty(); written_->pop_back()) {
    const auto& [documents, before] = written_->back();
    bank_.put_back(before);
    for (size_t i = 0; i < documents.size(); ++i) rows_[documents[i]] = before.rows[i];
    std::vector<int32_t> present = before.rows;
    std::erase(present, MemoryBank::kAbsent);
    if (on_device_ && !present.empty()) on_device_->write(present, bank_.gather(present));
  }
}

}  // namespace lemur
