// Similarity of a target document with its history, as features (model.md 5).
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace lemur {

/// Width of what ragged_similarity returns.
inline int64_t ragged_similarity_width(int64_t k) { return 2 * k + 3; }

/// Lists the cosines of each sample with the documents of its history.
///
/// `cosines` float or double [M], one for each element; `offsets` int64 [B + 1]; `document` int64
/// or int32 [M], -1: missing and skipped, undefined: none is missing; the elements of a sample are
/// stored oldest first. Returns [B, 2 * k + 3]: the k most recent, newest first; the k largest, in
/// descending order; both padded with 0; log(1 + count) / 8, mean and maximum of all, 0 where there
/// is none. Differentiable once in `cosines`. On the CPU the result does not depend on the number
/// of threads; other devices take ragged_similarity_reference. Throws InvalidArgument where shapes
/// do not fit or k < 1.
torch::Tensor ragged_similarity(const torch::Tensor& cosines, const torch::Tensor& offsets,
                                const torch::Tensor& document, int64_t k);

/// Gives the same as ragged_similarity, sample by sample from LibTorch's operations.
torch::Tensor ragged_similarity_reference(const torch::Tensor& cosines,
                                          const torch::Tensor& offsets,
                                          const torch::Tensor& document, int64_t k);

}  // namespace lemur
