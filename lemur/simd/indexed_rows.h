// Rows of a table that are listed by index, read in place, on the calling thread.
#pragma once

#include <cstdint>
#include <span>

namespace lemur {

/// Rows of `width` values, `stride` apart.
template <typename T>
struct RowTable {
  const T* data;
  int64_t width, stride;
};

/// Writes result[j] = vector . row index[j]. float or double.
void row_dots(const float* vector, const RowTable<float>& rows, std::span<const int64_t> index,
              float* result);
void row_dots(const double* vector, const RowTable<double>& rows, std::span<const int64_t> index,
              double* result);

/// Writes result [width] = sum over j of weights[j] row index[j], in the order of j.
void row_sum(const float* weights, const RowTable<float>& rows, std::span<const int64_t> index,
             float* result);
void row_sum(const double* weights, const RowTable<double>& rows, std::span<const int64_t> index,
             double* result);

}  // namespace lemur
