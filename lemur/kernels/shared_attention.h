// Attention and dots of many samples with a history that they share: what one request's candidates
// have in common.
#pragma once

#include <torch/types.h>

namespace lemur {

/// H groups of neighbouring samples, each with its own rows: samples samples[h] to samples[h + 1]
/// share rows rows[h] to rows[h + 1]. Both int64 [H + 1], on the CPU.
struct SharedRows {
  torch::Tensor samples, rows;
};

/// Returns [B, w]: of each sample the sum of softmax_j(query . key_j) value_j over its group's
/// rows, zeros where there are none.
///
/// `query` [B, w], `keys` and `values` [M, w], float or double on the CPU, without gradients. A
/// sample's result does not depend on the other samples, nor on the number of threads. Throws
/// InvalidArgument where shapes do not fit.
torch::Tensor shared_attention(const torch::Tensor& query, const torch::Tensor& keys,
                               const torch::Tensor& values, const SharedRows& groups);

/// Returns the dots of each sample's vector with its group's rows, one sample behind the other:
/// `vectors` [B, w], `rows` [M, w]. Types, errors: as shared_attention.
torch::Tensor shared_dots(const torch::Tensor& vectors, const torch::Tensor& rows,
                          const SharedRows& groups);

}  // namespace lemur
