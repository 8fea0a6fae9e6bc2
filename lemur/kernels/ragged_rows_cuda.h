// Dots with rows that samples list, and weighted sums of them, on CUDA.
#pragma once

#include "lemur/kernels/cuda_types.h"

namespace lemur::cuda {

/// Writes result[m] = vector of m's sample . row listed by m, 0 where there is none. `vectors`
/// [samples, width].
void ragged_dots(const RaggedView& listed, int64_t width, const float* vectors,
                 const RowView<float>& rows, float* result, void* stream);
void ragged_dots(const RaggedView& listed, int64_t width, const float* vectors,
                 const RowView<Bfloat16>& rows, float* result, void* stream);

/// Writes result [samples, width]: of each sample the sum of weights[m] times the row listed by m,
/// always in the same order.
void ragged_sums(const RaggedView& listed, int64_t width, const float* weights,
                 const RowView<float>& rows, float* result, void* stream);
void ragged_sums(const RaggedView& listed, int64_t width, const float* weights,
                 const RowView<Bfloat16>& rows, float* result, void* stream);

}  // namespace lemur::cuda
