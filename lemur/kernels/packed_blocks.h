// The blocks of a pre-LayerNorm transformer over packed texts as one differentiable operation.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace lemur {

/// Parameters of one block, in the order in which packed_blocks takes them. Linear layers have
/// weights [output, input].
enum BlockParameter {
  kAttentionNormGain,  // [d]
  kAttentionNormBias,
  kQkvWeight,  // [3 * d, d]: queries, keys, values
  kQkvBias,
  kAttentionOutputWeight,  // [d, d]
  kAttentionOutputBias,
  kFfnNormGain,  // [d]
  kFfnNormBias,
  kFfnInputWeight,  // [hidden, d]
  kFfnInputBias,
  kFfnOutputWeight,  // [d, hidden]
  kFfnOutputBias,
  kNumBlockParameters
};

struct PackedBlocksOptions {
  int64_t heads = 1;       ///< divides d
  bool all_rows = false;   ///< compute and return the state of every row, [total, d]
  bool recompute = false;  ///< keep only what enters a block and compute the rest again in backward
};

/// Applies blocks x + attention(LN(x)), then x + FFN(LN(x)) with GELU (model.md 2) to packed texts
/// and returns [I, d], the state of each text's first row behind the last block, of which only
/// these rows are computed, unless all_rows.
///
/// `x` [total, d] on the CPU, float or double; `offsets` int64 [I + 1], every text has a row;
/// `parameters` holds kNumBlockParameters tensors of x's type for each block. Works through texts
/// in chunks that fit a core's cache, each on one thread, forward and backward; the sums over
/// chunks are taken in an order that does not depend on the number of threads. Throws
/// InvalidArgument where shapes or types do not fit.
torch::Tensor packed_blocks(const torch::Tensor& x, const torch::Tensor& offsets,
                            at::TensorList parameters, const PackedBlocksOptions& options);

}  // namespace lemur
