// What is done row by row on the calling thread: LayerNorm, GELU, softmax, biases, forward and
// backward, sums, the optimiser's update.
#pragma once

#include <cstdint>

namespace lemur {

/// Rows of `width` values, one behind the other.
struct Rows {
  int64_t count, width;
};

inline constexpr double kLayerNormEpsilon = 1e-5;  // LibTorch's default

/// Normalises every row to mean 0 and variance 1 (plus `epsilon`), then times `gain` plus `bias`,
/// both [width].
void layer_norm_rows(Rows rows, const float* x, const float* gain, const float* bias, float* y,
                     double epsilon = kLayerNormEpsilon);
void layer_norm_rows(Rows rows, const double* x, const double* gain, const double* bias, double* y,
                     double epsilon = kLayerNormEpsilon);

/// From the gradient `dy` of layer_norm_rows(x): adds to the gradients of x (`dx`), of the gain and
/// of the bias.
void layer_norm_backward_rows(Rows rows, const float* x, const float* gain, const float* dy,
                              float* dx, float* dgain, float* dbias,
                              double epsilon = kLayerNormEpsilon);
void layer_norm_backward_rows(Rows rows, const double* x, const double* gain, const double* dy,
                              double* dx, double* dgain, double* dbias,
                              double epsilon = kLayerNormEpsilon);

/// Writes x Phi(x), Phi the normal distribution function; absolute error below 2e-7 times |x| in
/// float.
void gelu_values(int64_t count, const float* x, float* y);
void gelu_values(int64_t count, const double* x, double* y);

/// Replaces dy, the gradient of gelu_values(x), by the gradient of x.
void gelu_backward_values(int64_t count, const float* x, float* dy);
void gelu_backward_values(int64_t count, const double* x, double* dy);

/// Adds the rows of x, `stride` values apart, to `sum` [width], in their order.
void add_rows(Rows rows, const float* x, int64_t stride, float* sum);
void add_rows(Rows rows, const double* x, int64_t stride, double* sum);

/// Writes every row of x plus `row` [width].
void add_row(Rows rows, const float* x, const float* row, float* y);
void add_row(Rows rows, const double* x, const double* row, double* y);

/// Replaces the rows, `stride` values apart, by their softmax, and what lies behind each up to the
/// next multiple of 16 values (double: 8) by zeros. Requires width > 0.
void softmax_rows(Rows rows, int64_t stride, float* scores);
void softmax_rows(Rows rows, int64_t stride, double* scores);

/// Replaces dy, the gradient of p = softmax(scale x), by that of x.
void softmax_backward_rows(Rows rows, int64_t stride, const float* p, float scale, float* dy);
void softmax_backward_rows(Rows rows, int64_t stride, const double* p, double scale, double* dy);

/// Rows, `stride` values apart.
struct ConstRows {
  const float* data;
  int64_t stride;
};

/// Writes the sums of `rows.count` rows of a and b to rows of y, `y_stride` values apart.
void add_matrices(Rows rows, ConstRows a, ConstRows b, float* y, int64_t y_stride);

/// Returns the sum of n values.
float sum_values(int64_t n, const float* x);
double sum_values(int64_t n, const double* x);

/// Returns the sum of the squares of n values.
float sum_squares(int64_t n, const float* x);

/// Factors of one update of AdamW (Loshchilov and Hutter 2019, algorithm 2), the corrections of the
/// moments' bias worked in.
struct AdamWFactors {
  float beta1, beta2, epsilon;
  float step_size;  ///< learning rate / (1 - beta1^t)
  float root;       ///< 1 / sqrt(1 - beta2^t)
  float keep;       ///< 1 - learning rate * weight decay
};

/// Updates values [n] and their moments.
void adamw_values(const AdamWFactors& factors, int64_t n, const float* gradient, float* first,
                  float* second, float* value);

}  // namespace lemur
