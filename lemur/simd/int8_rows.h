// Products of rows and weights in 8 bits or less, on the calling thread.
#pragma once

#include <cstdint>
#include <vector>

namespace lemur {

/// Rows are rounded to so many steps each way (quantise_row) or from the least to the largest
/// number (int8_rows); the weights of int8_rows to so many each way. Sums of four of their products
/// fit the 16 bits in which processors without VNNI add them up (4 * 127 * 63 < 2^15), which would
/// cut off larger ones silently.
inline constexpr int kInt8Steps = 127, kInt8WeightSteps = 63;

/// Rounds a row [k] to whole numbers of -kInt8Steps to kInt8Steps, times the scale that is
/// returned. Where a number of the row is not finite, so is the scale. `q` has room for
/// int8_padded(k) values; those behind the row become 0.
float quantise_row(const float* x, int64_t k, int8_t* q);

/// Writes y [n] = sums times the row's scale and the columns' ones, plus a shift.
void scale_row(int64_t n, const int32_t* sums, float row_scale, const float* scales,
               const float* shifts, float* y);

/// Rounds up to what quantise_row writes.
constexpr int64_t int8_padded(int64_t k) { return (k + 15) / 16 * 16; }

/// Whether this path has the instructions that make int8_rows faster than a product in float32.
bool has_int8_rows();

/// Weights [n, k] of a linear layer in 7 bits, with one scale for each output, packed for int8_rows
/// on this path.
struct Int8Matrix {
  int64_t n, k;
  std::vector<int8_t> values;  // by panel, four of k, output, one of k
  std::vector<float> scales;   // [n], up to whole panels
  std::vector<float> sums;     // of an output's rounded weights; as scales
};

/// Requires: has_int8_rows().
Int8Matrix pack_int8(const float* weight, int64_t n, int64_t k);

/// Writes y [rows, n] = x [rows, k] W^T + bias; each row of x is rounded to 7 bits between its
/// least and its largest number; one with a number that is not finite gives such ones. A row of y
/// depends on its row of x only. Null bias: none. Requires: has_int8_rows(), k > 0.
void int8_rows(const Int8Matrix& weight, int64_t rows, const float* x, const float* bias, float* y);

}  // namespace lemur
