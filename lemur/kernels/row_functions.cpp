#include "lemur/kernels/row_functions.h"

#include <algorithm>
#include <cmath>

#include "lemur/kernels/simd.h"

namespace lemur {
namespace {

using simd::kLanes;
using simd::Vec;

template <typename T>
struct Moments {
  T mean, scale;  // scale: 1 over the deviation
};

template <typename T>
LEMUR_INLINE Moments<T> moments(const T* x, int64_t width, double epsilon) {
  Vec<T> sums{};
  simd::for_vectors<T>(width, [&](int64_t column, int64_t lanes) LEMUR_INLINE_LAMBDA {
    Vec<T> v;
    simd::load_part(v, x + column, lanes);
    sums += v;
  });
  const T mean = simd::sum<T>(sums) / static_cast<T>(width);
  sums = Vec<T>{};
  simd::for_vectors<T>(width, [&](int64_t column, int64_t lanes) LEMUR_INLINE_LAMBDA {
    Vec<T> v;
    simd::load_part(v, x + column, lanes);
    v -= mean;
    for (int64_t lane = lanes; lane < kLanes<T>; ++lane) v[lane] = 0;
    sums += v * v;
  });
  const T variance = simd::sum<T>(sums) / static_cast<T>(width);
  return {mean, 1 / std::sqrt(variance + static_cast<T>(epsilon))};
}

template <typename T>
LEMUR_INLINE void normalise(Rows rows, const T* x, const T* gain, const T* bias, T* y,
                            double epsilon) {
  for (int64_t i = 0; i < rows.count; ++i, x += rows.width, y += rows.width) {
    const Moments<T> m = moments(x, rows.width, epsilon);
    simd::for_vectors<T>(rows.width, [&](int64_t column, int64_t lanes) LEMUR_INLINE_LAMBDA {
      Vec<T> v, g, b;
      simd::load_part(v, x + column, lanes);
      simd::load_part(g, gain + column, lanes);
      simd::load_part(b, bias + column, lanes);
      v = (v - m.mean) * m.scale * g + b;
      simd::store_part(y + column, v, lanes);
    });
  }
}

template <typename T>
LEMUR_INLINE void normalise_backward(Rows rows, const T* x, const T* gain, const T* dy, T* dx,
                                     T* dgain, T* dbias, double epsilon) {
  for (int64_t i = 0; i < rows.count; ++i, x += rows.width, dy += rows.width, dx += rows.width) {
    const Moments<T> m = moments(x, rows.width, epsilon);
    Vec<T> sums{}, products{};  // of the gradient of what is normalised, and with it
    simd::for_vectors<T>(rows.width, [&](int64_t column, int64_t lanes) LEMUR_INLINE_LAMBDA {
      Vec<T> v, g, d, gains, biases;
      simd::load_part(v, x + column, lanes);
      simd::load_part(g, gain + column, lanes);
      simd::load_part(d, dy + column, lanes);
      v = (v - m.mean) * m.scale;
      simd::load_part(gains, dgain + column, lanes);
      simd::load_part(biases, dbias + column, lanes);
      simd::store_part(dgain + column, gains + d * v, lanes);
      simd::store_part(dbias + column, biases + d, lanes);
      sums += d * g;
      products += d * g * v;
    });
    const T mean = simd::sum<T>(sums) / static_cast<T>(rows.width);
    const T slope = simd::sum<T>(products) / static_cast<T>(rows.width);
    simd::for_vectors<T>(rows.width, [&](int64_t column, int64_t lanes) LEMUR_INLINE_LAMBDA {
      Vec<T> v, g, d, before;
      simd::load_part(v, x + column, lanes);
      simd::load_part(g, gain + column, lanes);
      simd::load_part(d, dy + column, lanes);
      simd::load_part(before, dx + column, lanes);
      v = (v - m.mean) * m.scale;
      simd::store_part(dx + column, before + m.scale * (d * g - mean - v * slope), lanes);
    });
  }
}

/// Writes Phi(x) and the density at x of the standard normal distribution.
LEMUR_INLINE void normal(const Vec<float>& x, Vec<float>& below, Vec<float>& density) {
  // Abramowitz and Stegun 7.1.26: absolute error of erf below 1.5e-7.
  Vec<float> size = x < 0.0f ? -x : x;
  Vec<float> t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * size);
  Vec<float> p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  Vec<float> power = -0.5f * size * size;
  simd::exp_nonpositive(power);
  Vec<float> tail = 0.5f * p * t * power;
  below = x < 0.0f ? tail : 1.0f - tail;
  density = power * 0.39894228f;
}

LEMUR_INLINE void normal(const Vec<double>& x, Vec<double>& below, Vec<double>& density) {
  for (int64_t lane = 0; lane < kLanes<double>; ++lane) {
    below[lane] = 0.5 * std::erfc(-x[lane] * std::sqrt(0.5));
    density[lane] = std::exp(-0.5 * x[lane] * x[lane]) * 0.3989422804014327;
  }
}

template <typename T>
LEMUR_INLINE void gelu(int64_t count, const T* x, T* y) {
  simd::for_vectors<T>(count, [&](int64_t at, int64_t lanes) LEMUR_INLINE_LAMBDA {
    Vec<T> v, below, density;
    simd::load_part(v, x + at, lanes);
    normal(v, below, density);
    simd::store_part(y + at, v * below, lanes);
  });
}

template <typename T>
LEMUR_INLINE void gelu_backward(int64_t count, const T* x, T* dy) {
  simd::for_vectors<T>(count, [&](int64_t at, int64_t lanes) LEMUR_INLINE_LAMBDA {
    Vec<T> v, d, below, density;
    simd::load_part(v, x + at, lanes);
    simd::load_part(d, dy + at, lanes);
    normal(v, below, density);
    simd::store_part(dy + at, d * (below + v * density), lanes);
  });
}

template <typename T>
LEMUR_INLINE void sum_rows(Rows rows, const T* x, int64_t stride, T* sum) {
  for (int64_t i = 0; i < rows.count; ++i, x += stride)
    for (int64_t c = 0; c < rows.width; ++c) sum[c] += x[c];
}

template <typename T>
LEMUR_INLINE void shift_rows(Rows rows, const T* x, const T* row, T* y) {
  for (int64_t i = 0; i < rows.count; ++i, x += rows.width, y += rows.width)
    for (int64_t c = 0; c < rows.width; ++c) y[c] = x[c] + row[c];
}

template <typename T>
LEMUR_INLINE void softmax_backward(Rows rows, int64_t stride, const T* p, T scale, T* dy) {
  for (int64_t i = 0; i < rows.count; ++i, p += stride, dy += stride) {
    const T mean = simd::dot(p, dy, rows.width);
    for (int64_t j = 0; j < rows.width; ++j) dy[j] = p[j] * (dy[j] - mean) * scale;
  }
}

}  // namespace

LEMUR_MULTIVERSION void layer_norm_rows(Rows rows, const float* x, const float* gain,
                                        const float* bias, float* y, double epsilon) {
  normalise(rows, x, gain, bias, y, epsilon);
}
void layer_norm_rows(Rows rows, const double* x, const double* gain, const double* bias, double* y,
                     double epsilon) {
  normalise(rows, x, gain, bias, y, epsilon);
}

LEMUR_MULTIVERSION void layer_norm_backward_rows(Rows rows, const float* x, const float* gain,
                                                 const float* dy, float* dx, float* dgain,
                                                 float* dbias, double epsilon) {
  normalise_backward(rows, x, gain, dy, dx, dgain, dbias, epsilon);
}
void layer_norm_backward_rows(Rows rows, const double* x, const double* gain, const double* dy,
                              double* dx, double* dgain, double* dbias, double epsilon) {
  normalise_backward(rows, x, gain, dy, dx, dgain, dbias, epsilon);
}

LEMUR_MULTIVERSION void gelu_values(int64_t count, const float* x, float* y) { gelu(count, x, y); }
void gelu_values(int64_t count, const double* x, double* y) { gelu(count, x, y); }

LEMUR_MULTIVERSION void gelu_backward_values(int64_t count, const float* x, float* dy) {
  gelu_backward(count, x, dy);
}
void gelu_backward_values(int64_t count, const double* x, double* dy) {
  gelu_backward(count, x, dy);
}

LEMUR_MULTIVERSION void add_rows(Rows rows, const float* x, int64_t stride, float* sum) {
  sum_rows(rows, x, stride, sum);
}
void add_rows(Rows rows, const double* x, int64_t stride, double* sum) {
  sum_rows(rows, x, stride, sum);
}

LEMUR_MULTIVERSION void add_row(Rows rows, const float* x, const float* row, float* y) {
  shift_rows(rows, x, row, y);
}
void add_row(Rows rows, const double* x, const double* row, double* y) {
  shift_rows(rows, x, row, y);
}

LEMUR_MULTIVERSION void softmax_rows(Rows rows, int64_t stride, float* scores) {
  for (int64_t i = 0; i < rows.count; ++i) simd::softmax(scores + i * stride, rows.width);
}
void softmax_rows(Rows rows, int64_t stride, double* scores) {
  for (int64_t i = 0; i < rows.count; ++i) simd::softmax(scores + i * stride, rows.width);
}

LEMUR_MULTIVERSION void softmax_backward_rows(Rows rows, int64_t stride, const float* p,
                                              float scale, float* dy) {
  softmax_backward(rows, stride, p, scale, dy);
}
void softmax_backward_rows(Rows rows, int64_t stride, const double* p, double scale, double* dy) {
  softmax_backward(rows, stride, p, scale, dy);
}

}  // namespace lemur
