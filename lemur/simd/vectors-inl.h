// Vectors of the instruction set at hand, for the sources that are compiled for each (dispatch.h):
// parts of vectors, sums, exp, softmax.
#if defined(LEMUR_SIMD_VECTORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LEMUR_SIMD_VECTORS_INL
#undef LEMUR_SIMD_VECTORS_INL
#else
#define LEMUR_SIMD_VECTORS_INL
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstdint>

#include "lemur/simd/padding.h"

HWY_BEFORE_NAMESPACE();
namespace lemur::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Stands for vectors of T; at most of kLanes<T> values.
template <typename T>
using Tag = hn::CappedTag<T, simd::kLanes<T>>;
template <typename T>
using Vec = hn::Vec<Tag<T>>;

/// Values in a vector of T.
template <typename T>
HWY_INLINE int64_t lanes() {
  return static_cast<int64_t>(hn::Lanes(Tag<T>()));
}

// Whether masked loads and stores touch memory behind the mask. Those of AVX2 do for small types
// only.
#undef LEMUR_PARTS_BY_VALUE
#define LEMUR_PARTS_BY_VALUE (HWY_MEM_OPS_MIGHT_FAULT && HWY_TARGET != HWY_AVX2)

/// Loads the first `count` values of a vector, zeros behind.
template <typename T>
HWY_INLINE Vec<T> load_part(const T* from, int64_t count) {
  const Tag<T> d;
  if (count == lanes<T>()) return hn::LoadU(d, from);
#if LEMUR_PARTS_BY_VALUE
  T values[simd::kLanes<T>] = {};
  for (int64_t lane = 0; lane < count; ++lane) values[lane] = from[lane];
  return hn::LoadU(d, values);
#else
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(count)), d, from);
#endif
}

/// Stores the first `count` values of a vector.
template <typename T>
HWY_INLINE void store_part(T* to, Vec<T> v, int64_t count) {
  const Tag<T> d;
  if (count == lanes<T>()) return hn::StoreU(v, d, to);
#if LEMUR_PARTS_BY_VALUE
  T values[simd::kLanes<T>];
  hn::StoreU(v, d, values);
  for (int64_t lane = 0; lane < count; ++lane) to[lane] = values[lane];
#else
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(count)), d, to);
#endif
}

/// Zeroes what lies behind the first `count` values.
template <typename T>
HWY_INLINE Vec<T> keep_part(Vec<T> v, int64_t count) {
  if (count == lanes<T>()) return v;
  return hn::IfThenElseZero(hn::FirstN(Tag<T>(), static_cast<size_t>(count)), v);
}

/// Calls body(first value, how many) for the vectors of `width` values; the last may have fewer.
template <typename T, typename Body>
HWY_INLINE void for_vectors(int64_t width, const Body& body) {
  const int64_t step = lanes<T>();
  int64_t at = 0;
  for (; at + step <= width; at += step) body(at, step);
  if (at < width) body(at, width - at);
}

/// Adds up the values of a vector.
template <typename T>
HWY_INLINE T sum_of(Vec<T> v) {
  return hn::GetLane(hn::SumOfLanes(Tag<T>(), v));
}

/// Returns exp(v) for v <= 0: relative error below 2e-7, results below 1e-37 become about 1e-38.
/// NaN stays NaN, which Highway's Exp turns to 0.
HWY_INLINE Vec<float> exp_nonpositive(Vec<float> v) {
  const Tag<float> d;
  const hn::Rebind<int32_t, Tag<float>> integers;
  const auto lowest = hn::Set(d, -87.0F),
             to_integer = hn::Set(d, 12582912.0F);  // 1.5 * 2^23: rounds in the addition
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR
  v = hn::Max(lowest, v);  // where one of the two is NaN, x86 gives the second
#else
  v = hn::IfThenElse(hn::Lt(v, lowest), lowest, v);
#endif
  const auto shifted = hn::MulAdd(v, hn::Set(d, 1.44269504F), to_integer);
  const auto n = hn::Sub(shifted, to_integer);
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), v);
  r = hn::MulAdd(n, hn::Set(d, 2.12194440e-4F), r);
  auto p = hn::MulAdd(r, hn::Set(d, 1.9875691500e-4F), hn::Set(d, 1.3981999507e-3F));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3F));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2F));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1F));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1F));
  p = hn::Add(hn::MulAdd(hn::Mul(p, r), r, r), hn::Set(d, 1.0F));
  const auto exponent =
      hn::Add(hn::BitCast(integers, shifted), hn::Set(integers, 127 - 0x4b400000));
  return hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<23>(exponent)));
}

HWY_INLINE Vec<double> exp_nonpositive(Vec<double> v) {
  return hn::IfThenElse(hn::Eq(v, v), hn::Exp(Tag<double>(), v), v);
}

/// Returns the sum of a[j] * b[j] over n values.
template <typename T>
HWY_INLINE T dot(const T* a, const T* b, int64_t n) {
  const Tag<T> d;
  const int64_t step = lanes<T>();
  auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  int64_t j = 0;
  for (; j + 4 * step <= n; j += 4 * step) {
#define LEMUR_ADD(i) \
  sum##i = hn::MulAdd(hn::LoadU(d, a + j + i * step), hn::LoadU(d, b + j + i * step), sum##i);
    LEMUR_REPEAT_4(LEMUR_ADD)
#undef LEMUR_ADD
  }
  for (; j < n; j += step) {
    const int64_t count = HWY_MIN(step, n - j);
    sum0 = hn::MulAdd(load_part(a + j, count), load_part(b + j, count), sum0);
  }
  return sum_of<T>(hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)));
}

/// Turns scores[0, n) into probabilities and zeroes the rest up to padded(n). Requires n > 0.
template <typename T>
HWY_INLINE void softmax(T* scores, int64_t n) {
  const Tag<T> d;
  const int64_t step = lanes<T>(), end = simd::padded<T>(n);
  for (int64_t j = n; j < end; ++j) scores[j] = scores[0];
  auto top = hn::Set(d, scores[0]);
  for (int64_t j = 0; j < n; j += step) top = hn::Max(hn::LoadU(d, scores + j), top);
  const auto highest = hn::MaxOfLanes(d, top);
  auto sums = hn::Zero(d);
  for (int64_t j = 0; j < end; j += step) {
    auto v = exp_nonpositive(hn::Sub(hn::LoadU(d, scores + j), highest));
    if (j + step > n) v = keep_part<T>(v, HWY_MAX(n - j, int64_t{0}));
    sums = hn::Add(sums, v);
    hn::StoreU(v, d, scores + j);
  }
  const auto scale = hn::Set(d, 1 / sum_of<T>(sums));
  for (int64_t j = 0; j < n; j += step)
    hn::StoreU(hn::Mul(hn::LoadU(d, scores + j), scale), d, scores + j);
}

}  // namespace lemur::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
