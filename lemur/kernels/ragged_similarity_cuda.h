// The similarity module's features (model.md 5) on CUDA.
#pragma once

#include "lemur/kernels/cuda_types.h"

namespace lemur::cuda {

/// Writes features [samples, 2 k + 3]: the k latest cosines, latest first, the k largest, largest
/// first (of equal ones the first element's), log(1 + count) / 8, mean and largest; zeros where
/// there are fewer. Notes each element's place among the latest and among the largest [M], -1:
/// beyond k or left out. The time grows with the square of a sample's elements.
void ragged_similarity_forward(const RaggedView& listed, int64_t k, const float* cosines,
                               float* features, int32_t* latest, int32_t* largest, void* stream);

/// Writes the gradient of the cosines [M] from that of the features.
void ragged_similarity_backward(const RaggedView& listed, int64_t k, const float* gradient,
                                const int32_t* latest, const int32_t* largest, float* cosines,
                                void* stream);

}  // namespace lemur::cuda
