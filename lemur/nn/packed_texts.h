// Checks of what the encoders of packed texts take.
#pragma once

#include <torch/nn/modules/embedding.h>
#include <torch/types.h>

#include <cstdint>

#include "lemur/base/error.h"
#include "lemur/kernels/row_check.h"

namespace lemur {

/// Throws InvalidArgument unless another module's word embedding is [vocabulary, width].
inline void check_shared_words(const char* where, const torch::nn::Embedding& words,
                               int64_t vocabulary, int64_t width) {
  const torch::Tensor& weight = words->weight;
  if (weight.size(0) != vocabulary || weight.size(1) != width)
    fail<InvalidArgument>(where, "the shared word embedding is {}; expected {} x {}",
                          fmt::join(weight.sizes(), " x "), vocabulary, width);
}

/// Returns the row of each text's first token, int64 [I] on the CPU. Throws InvalidArgument where
/// `offsets` do not fit `total` tokens or a text has none.
inline torch::Tensor first_tokens(const char* where, const torch::Tensor& offsets, int64_t total) {
  return checked_full_offsets(where, offsets, total).slice(0, 0, -1);
}

}  // namespace lemur
