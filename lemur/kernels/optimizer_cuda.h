// The optimisers' updates on CUDA: AdamW of a flat buffer, row-wise Adagrad.
#pragma once

#include "lemur/kernels/adamw.h"
#include "lemur/kernels/cuda_types.h"

namespace lemur::cuda {

/// A part of a flat buffer that is updated by the same factors; it ends where the next one begins.
struct AdamWSegment {
  int64_t begin;
  AdamWFactors factors;
  int32_t skipped;  ///< 1: the part stays as it is
};

/// Updates values [n] and their moments as lemur::adamw_update does, by `segments` (device memory),
/// the first of which begins at 0.
void adamw_update(const AdamWSegment* segments, int64_t num_segments, int64_t n,
                  const float* gradient, float* first, float* second, float* value, void* stream);

/// Parts into which sum_of_squares cuts its values.
inline constexpr int64_t kSquareParts = 1024;

/// Writes parts [kSquareParts] whose sum is that of the squares of values [n].
void sum_of_squares(int64_t n, const float* values, double* parts, void* stream);

struct RowAdagradFactors {
  float learning_rate, epsilon;
  float keep;  ///< 1 - learning rate * weight decay
};

/// One step of EmbeddingTable::apply on the distinct rows [n] of `values` [rows, width] and
/// `accumulators` [rows]; `gradient` [n, width].
void row_adagrad(const RowAdagradFactors& factors, const int32_t* rows, int64_t n, int64_t width,
                 const float* gradient, float* values, float* accumulators, void* stream);

}  // namespace lemur::cuda
