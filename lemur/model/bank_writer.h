// Encodes documents into a bank outside of training steps: what an evaluation lacks, or all.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "lemur/model/document_bank.h"
#include "lemur/model/model_state.h"

namespace lemur {

/// Encodes distinct documents of the store without gradient and dropout, in passes of bounded
/// memory, and writes them into `bank` as of `step`. `progress(done)` may be empty.
void encode_into_bank(const SampleStore& store, ModelState& state,
                      std::span<const uint32_t> documents, int64_t step, DocumentBank& bank,
                      const std::function<void(int64_t done)>& progress = {});

}  // namespace lemur
