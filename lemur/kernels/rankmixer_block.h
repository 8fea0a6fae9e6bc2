// A block of RankMixer in one pass over its tokens, for inference.
#pragma once

#include <torch/types.h>

#include "lemur/kernels/int8_product.h"

namespace lemur {

/// Linear maps of T tokens.
struct TokenLinearWeights {
  torch::Tensor weight, bias;         ///< [T, output, input], [T, output]
  const Int8Weights* int8 = nullptr;  ///< of `weight`; not null: computes with these
};

struct LayerNormWeights {
  torch::Tensor gain, bias;  ///< [width]
};

struct RankMixerBlockWeights {
  LayerNormWeights mix_norm;
  TokenLinearWeights ffn_input, ffn_output;
  LayerNormWeights ffn_norm;
};

/// Returns LN(FFN(s) + s) with s = LN(mix(x) + x) and FFN(s) = W_out GELU(W_in s + b_in) + b_out
/// for x [T, B, width], T divides width (model.md 6): float on the CPU, contiguous, without
/// gradients. The values between of a block of rows never leave a core's cache. In float a row is
/// the same bit for bit as by the single operations, and always whatever the other rows are.
/// Throws InvalidArgument where shapes or types do not fit.
torch::Tensor rankmixer_block(const torch::Tensor& x, const RankMixerBlockWeights& weights);

}  // namespace lemur
