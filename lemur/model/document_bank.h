// The memory bank addressed by the documents of one store: caches each document's row.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/tables/device_rows.h"
#include "lemur/tables/memory_bank.h"

namespace lemur {

/// Reads and writes a MemoryBank by document index. Store and bank must outlive it, and nobody else
/// may write the bank meanwhile. Not thread-safe.
class DocumentBank {
 public:
  /// On another `device` than the CPU it keeps a copy of the bank's vectors there, of which it
  /// reads and to which it writes too.
  DocumentBank(const SampleStore& store, MemoryBank& bank, torch::Device device = torch::kCPU);

  MemoryBank& bank() { return bank_; }
  bool contains(uint32_t document) const { return rows_[document] != MemoryBank::kAbsent; }

  /// Returns the bank row of each document, MemoryBank::kAbsent where it is missing.
  std::vector<int32_t> rows(std::span<const uint32_t> documents) const;

  /// Returns float32 [n, r] on the device, zeros where missing.
  torch::Tensor gather(std::span<const uint32_t> documents) const;

  /// Stores vectors [n, r] of distinct documents, from any device. Throws UnstorableVector, before
  /// anything is stored, as MemoryBank::write.
  void write(std::span<const uint32_t> documents, const torch::Tensor& vectors, int64_t step);

  /// From now on what is written can be taken back / takes it back: the bank is as it was then.
  void begin_step();
  void undo_step();

 private:
  struct Written {
    std::vector<uint32_t> documents;
    BankRows before;
  };

  std::span<const uint64_t> keys_;
  MemoryBank& bank_;
  std::vector<int32_t> rows_;                    // [num_documents]
  std::optional<DeviceRows> on_device_;          // the bank's vectors, not on the CPU
  std::optional<std::vector<Written>> written_;  // since begin_step
};

}  // namespace lemur
