#include "lemur/simd/row_functions.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lemur/simd/row_functions.cpp"
#include <hwy/foreach_target.h>

#include "lemur/simd/dispatch.h"
#include "lemur/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lemur::HWY_NAMESPACE {
namespace {

template <typename T>
struct Moments {
  T mean, scale;  // scale: 1 over the deviation
};

template <typename T>
HWY_INLINE Moments<T> moments(const T* x, int64_t width, double epsilon) {
  const Tag<T> d;
  auto sums = hn::Zero(d);
  for_vectors<T>(width, [&](int64_t at, int64_t count)
                            HWY_ATTR { sums = hn::Add(sums, load_part(x + at, count)); });
  const T mean = sum_of<T>(sums) / static_cast<T>(width);
  const auto means = hn::Set(d, mean);
  sums = hn::Zero(d);
  for_vectors<T>(width, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto v = keep_part<T>(hn::Sub(load_part(x + at, count), means), count);
    sums = hn::MulAdd(v, v, sums);
  });
  const T variance = sum_of<T>(sums) / static_cast<T>(width);
  return {mean, 1 / std::sqrt(variance + static_cast<T>(epsilon))};
}

template <typename T>
HWY_INLINE void normalise(Rows rows, const T* x, const T* gain, const T* bias, T* y,
                          double epsilon) {
  const Tag<T> d;
  for (int64_t i = 0; i < rows.count; ++i, x += rows.width, y += rows.width) {
    const Moments<T> m = moments(x, rows.width, epsilon);
    const auto mean = hn::Set(d, m.mean), scale = hn::Set(d, m.scale);
    for_vectors<T>(rows.width, [&](int64_t at, int64_t count) HWY_ATTR {
      const auto v = hn::Mul(hn::Sub(load_part(x + at, count), mean), scale);
      store_part<T>(y + at, hn::MulAdd(v, load_part(gain + at, count), load_part(bias + at, count)),
                    count);
    });
  }
}

template <typename T>
HWY_INLINE void normalise_backward(Rows rows, const T* x, const T* gain, const T* dy, T* dx,
                                   T* dgain, T* dbias, double epsilon) {
  const Tag<T> d;
  for (int64_t i = 0; i < rows.count; ++i, x += rows.width, dy += rows.width, dx += rows.width) {
    const Moments<T> m = moments(x, rows.width, epsilon);
    const auto mean = hn::Set(d, m.mean), scale = hn::Set(d, m.scale);
    auto sums = hn::Zero(d), products = sums;  // of the gradient of what is normalised, and with it
    for_vectors<T>(rows.width, [&](int64_t at, int64_t count) HWY_ATTR {
      const auto v = hn::Mul(hn::Sub(load_part(x + at, count), mean), scale);
      const auto given = load_part(dy + at, count);
      const auto inner = hn::Mul(given, load_part(gain + at, count));
      store_part<T>(dgain + at, hn::MulAdd(given, v, load_part(dgain + at, count)), count);
      store_part<T>(dbias + at, hn::Add(load_part(dbias + at, count), given), count);
      sums = hn::Add(sums, inner);
      products = hn::MulAdd(inner, v, products);
    });
    const auto width = static_cast<T>(rows.width);
    const auto centre = hn::Set(d, sum_of<T>(sums) / width),
               slope = hn::Set(d, sum_of<T>(products) / width);
    for_vectors<T>(rows.width, [&](int64_t at, int64_t count) HWY_ATTR {
      const auto v = hn::Mul(hn::Sub(load_part(x + at, count), mean), scale);
      const auto inner = hn::MulSub(load_part(dy + at, count), load_part(gain + at, count), centre);
      store_part<T>(dx + at,
                    hn::MulAdd(scale, hn::NegMulAdd(v, slope, inner), load_part(dx + at, count)),
                    count);
    });
  }
}

/// Returns Phi(x), the normal distribution function: absolute error below 2e-7, 0 below -5.6. A
/// rational approximation of (Phi(x) - 1/2) / x in x^2, fitted to the largest error on [0, 5.6].
HWY_INLINE Vec<float> normal_below(Vec<float> x) {
  const Tag<float> d;
  const auto end = hn::Set(d, 5.6F), begin = hn::Neg(end);
  const auto v = hn::Min(hn::Max(x, begin), end), square = hn::Mul(v, v);
  auto p = hn::MulAdd(square, hn::Set(d, 2.21454233e-8F), hn::Set(d, 6.35652123e-6F));
  p = hn::MulAdd(p, square, hn::Set(d, 1.73849199e-4F));
  p = hn::MulAdd(p, square, hn::Set(d, 4.70724981e-3F));
  p = hn::MulAdd(p, square, hn::Set(d, 3.43759544e-2F));
  p = hn::MulAdd(p, square, hn::Set(d, 3.98942232e-1F));
  auto q = hn::MulAdd(square, hn::Set(d, 1.18021455e-6F), hn::Set(d, 7.51014377e-5F));
  q = hn::MulAdd(q, square, hn::Set(d, 1.91296928e-3F));
  q = hn::MulAdd(q, square, hn::Set(d, 2.89399996e-2F));
  q = hn::MulAdd(q, square, hn::Set(d, 2.52833456e-1F));
  q = hn::MulAdd(q, square, hn::Set(d, 1.0F));
  const auto below = hn::Add(hn::Set(d, 0.5F), hn::Div(hn::Mul(p, v), q));
  return hn::IfThenElseZero(hn::Gt(x, begin), below);
}

HWY_INLINE Vec<double> normal_below(Vec<double> x) {
  const Tag<double> d;
  double values[simd::kLanes<double>];
  hn::StoreU(x, d, values);
  for (int64_t lane = 0; lane < lanes<double>(); ++lane)
    values[lane] = 0.5 * std::erfc(-values[lane] * std::sqrt(0.5));
  return hn::LoadU(d, values);
}

/// Returns the density at x of the standard normal distribution.
template <typename T>
HWY_INLINE Vec<T> normal_density(Vec<T> x) {
  const Tag<T> d;
  const auto power = exp_nonpositive(hn::Mul(hn::Mul(hn::Set(d, T(-0.5)), x), x));
  return hn::Mul(power, hn::Set(d, T(0.3989422804014327)));
}

template <typename T>
HWY_INLINE void gelu(int64_t n, const T* x, T* y) {
  for_vectors<T>(n, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto v = load_part(x + at, count);
    store_part<T>(y + at, hn::Mul(v, normal_below(v)), count);
  });
}

template <typename T>
HWY_INLINE void gelu_backward(int64_t n, const T* x, T* dy) {
  for_vectors<T>(n, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto v = load_part(x + at, count);
    const auto slope = hn::MulAdd(v, normal_density<T>(v), normal_below(v));
    store_part<T>(dy + at, hn::Mul(load_part(dy + at, count), slope), count);
  });
}

template <typename T>
HWY_INLINE void sum_rows(Rows rows, const T* x, int64_t stride, T* sum) {
  const Tag<T> d;
  const int64_t step = lanes<T>();
  int64_t at = 0;
  for (; at + 4 * step <= rows.width; at += 4 * step) {
#define LEMUR_LOAD(i) auto sum##i = hn::LoadU(d, sum + at + i * step);
#define LEMUR_ADD(i) sum##i = hn::Add(sum##i, hn::LoadU(d, row + i * step));
#define LEMUR_STORE(i) hn::StoreU(sum##i, d, sum + at + i * step);
    LEMUR_REPEAT_4(LEMUR_LOAD)
    const T* row = x + at;
    for (int64_t i = 0; i < rows.count; ++i, row += stride) {
      LEMUR_REPEAT_4(LEMUR_ADD)
    }
    LEMUR_REPEAT_4(LEMUR_STORE)
#undef LEMUR_LOAD
#undef LEMUR_ADD
#undef LEMUR_STORE
  }
  for (; at < rows.width; at += step) {
    const int64_t count = std::min(step, rows.width - at);
    auto total = load_part(sum + at, count);
    for (int64_t i = 0; i < rows.count; ++i)
      total = hn::Add(total, load_part(x + i * stride + at, count));
    store_part<T>(sum + at, total, count);
  }
}

template <typename T>
HWY_INLINE void shift_rows(Rows rows, const T* x, const T* row, T* y) {
  for (int64_t i = 0; i < rows.count; ++i, x += rows.width, y += rows.width)
    for_vectors<T>(rows.width, [&](int64_t at, int64_t count) HWY_ATTR {
      store_part<T>(y + at, hn::Add(load_part(x + at, count), load_part(row + at, count)), count);
    });
}

template <typename T>
HWY_INLINE void softmaxes(Rows rows, int64_t stride, T* scores) {
  for (int64_t i = 0; i < rows.count; ++i) softmax(scores + i * stride, rows.width);
}

template <typename T>
HWY_INLINE void softmax_backward(Rows rows, int64_t stride, const T* p, T scale, T* dy) {
  const Tag<T> d;
  const auto scales = hn::Set(d, scale);
  for (int64_t i = 0; i < rows.count; ++i, p += stride, dy += stride) {
    const auto mean = hn::Set(d, dot(p, dy, rows.width));
    for_vectors<T>(rows.width, [&](int64_t at, int64_t count) HWY_ATTR {
      const auto given = hn::Sub(load_part(dy + at, count), mean);
      store_part<T>(dy + at, hn::Mul(hn::Mul(load_part(p + at, count), given), scales), count);
    });
  }
}

template <typename T>
HWY_INLINE T total(int64_t n, const T* x) {
  auto sums = hn::Zero(Tag<T>());
  for_vectors<T>(n, [&](int64_t at, int64_t count)
                        HWY_ATTR { sums = hn::Add(sums, load_part(x + at, count)); });
  return sum_of<T>(sums);
}

}  // namespace

// What the public functions of one name call, by type.
#define LEMUR_BUILD(T, type)                                                                      \
  void layer_norm_##type(Rows rows, const T* x, const T* gain, const T* bias, T* y,               \
                         double epsilon) {                                                        \
    normalise(rows, x, gain, bias, y, epsilon);                                                   \
  }                                                                                               \
  void layer_norm_backward_##type(Rows rows, const T* x, const T* gain, const T* dy, T* dx,       \
                                  T* dgain, T* dbias, double epsilon) {                           \
    normalise_backward(rows, x, gain, dy, dx, dgain, dbias, epsilon);                             \
  }                                                                                               \
  void gelu_##type(int64_t n, const T* x, T* y) { gelu(n, x, y); }                                \
  void gelu_backward_##type(int64_t n, const T* x, T* dy) { gelu_backward(n, x, dy); }            \
  void add_rows_##type(Rows rows, const T* x, int64_t stride, T* sum) {                           \
    sum_rows(rows, x, stride, sum);                                                               \
  }                                                                                               \
  void add_row_##type(Rows rows, const T* x, const T* row, T* y) { shift_rows(rows, x, row, y); } \
  void softmax_##type(Rows rows, int64_t stride, T* scores) { softmaxes(rows, stride, scores); }  \
  void softmax_backward_##type(Rows rows, int64_t stride, const T* p, T scale, T* dy) {           \
    softmax_backward(rows, stride, p, scale, dy);                                                 \
  }                                                                                               \
  T sum_##type(int64_t n, const T* x) { return total(n, x); }
LEMUR_BUILD(float, floats)
LEMUR_BUILD(double, doubles)
#undef LEMUR_BUILD

float squares(int64_t n, const float* x) { return dot(x, x, n); }

void add_matrix(Rows rows, ConstRows a, ConstRows b, float* y, int64_t y_stride) {
  const Tag<float> d;
  const int64_t step = lanes<float>(), whole = rows.width / step * step;
  for (int64_t i = 0; i < rows.count; ++i, a.data += a.stride, b.data += b.stride, y += y_stride) {
    for (int64_t at = 0; at < whole; at += step)
      hn::StoreU(hn::Add(hn::LoadU(d, a.data + at), hn::LoadU(d, b.data + at)), d, y + at);
    const int64_t rest = rows.width - whole;
    if (rest > 0)
      store_part<float>(y + whole,
                        hn::Add(load_part(a.data + whole, rest), load_part(b.data + whole, rest)),
                        rest);
  }
}

void adamw(const AdamWFactors& f, int64_t n, const float* gradient, float* first, float* second,
           float* value) {
  const Tag<float> d;
  const auto move1 = hn::Set(d, 1 - f.beta1), move2 = hn::Set(d, 1 - f.beta2),
             epsilon = hn::Set(d, f.epsilon), step_size = hn::Set(d, f.step_size),
             root = hn::Set(d, f.root), keep = hn::Set(d, f.keep);
  for_vectors<float>(n, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto g = load_part(gradient + at, count);
    auto m = load_part(first + at, count), v = load_part(second + at, count);
    m = hn::MulAdd(move1, hn::Sub(g, m), m);
    v = hn::MulAdd(move2, hn::MulSub(g, g, v), v);
    store_part<float>(first + at, m, count);
    store_part<float>(second + at, v, count);
    const auto change = hn::Div(hn::Mul(step_size, m), hn::MulAdd(hn::Sqrt(v), root, epsilon));
    store_part<float>(value + at, hn::MulSub(keep, load_part(value + at, count), change), count);
  });
}

}  // namespace lemur::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lemur {

#define LEMUR_EXPORT(T, type)                                                                 \
  HWY_EXPORT(layer_norm_##type);                                                              \
  HWY_EXPORT(layer_norm_backward_##type);                                                     \
  HWY_EXPORT(gelu_##type);                                                                    \
  HWY_EXPORT(gelu_backward_##type);                                                           \
  HWY_EXPORT(add_rows_##type);                                                                \
  HWY_EXPORT(add_row_##type);                                                                 \
  HWY_EXPORT(softmax_##type);                                                                 \
  HWY_EXPORT(softmax_backward_##type);                                                        \
  HWY_EXPORT(sum_##type);                                                                     \
  void layer_norm_rows(Rows rows, const T* x, const T* gain, const T* bias, T* y,             \
                       double epsilon) {                                                      \
    LEMUR_DISPATCH(layer_norm_##type)(rows, x, gain, bias, y, epsilon);                       \
  }                                                                                           \
  void layer_norm_backward_rows(Rows rows, const T* x, const T* gain, const T* dy, T* dx,     \
                                T* dgain, T* dbias, double epsilon) {                         \
    LEMUR_DISPATCH(layer_norm_backward_##type)(rows, x, gain, dy, dx, dgain, dbias, epsilon); \
  }                                                                                           \
  void gelu_values(int64_t n, const T* x, T* y) { LEMUR_DISPATCH(gelu_##type)(n, x, y); }     \
  void gelu_backward_values(int64_t n, const T* x, T* dy) {                                   \
    LEMUR_DISPATCH(gelu_backward_##type)(n, x, dy);                                           \
  }                                                                                           \
  void add_rows(Rows rows, const T* x, int64_t stride, T* sum) {                              \
    LEMUR_DISPATCH(add_rows_##type)(rows, x, stride, sum);                                    \
  }                                                                                           \
  void add_row(Rows rows, const T* x, const T* row, T* y) {                                   \
    LEMUR_DISPATCH(add_row_##type)(rows, x, row, y);                                          \
  }                                                                                           \
  void softmax_rows(Rows rows, int64_t stride, T* scores) {                                   \
    LEMUR_DISPATCH(softmax_##type)(rows, stride, scores);                                     \
  }                                                                                           \
  void softmax_backward_rows(Rows rows, int64_t stride, const T* p, T scale, T* dy) {         \
    LEMUR_DISPATCH(softmax_backward_##type)(rows, stride, p, scale, dy);                      \
  }                                                                                           \
  T sum_values(int64_t n, const T* x) { return LEMUR_DISPATCH(sum_##type)(n, x); }
LEMUR_EXPORT(float, floats)
LEMUR_EXPORT(double, doubles)
#undef LEMUR_EXPORT

HWY_EXPORT(squares);
HWY_EXPORT(add_matrix);
HWY_EXPORT(adamw);

float sum_squares(int64_t n, const float* x) { return LEMUR_DISPATCH(squares)(n, x); }

void add_matrices(Rows rows, ConstRows a, ConstRows b, float* y, int64_t y_stride) {
  LEMUR_DISPATCH(add_matrix)(rows, a, b, y, y_stride);
}

void adamw_values(const AdamWFactors& factors, int64_t n, const float* gradient, float* first,
                  float* second, float* value) {
  LEMUR_DISPATCH(adamw)(factors, n, gradient, first, second, value);
}

}  // namespace lemur
#endif
