// Vectors of a floating type that the compiler maps to the widest registers, and exp on them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

/// Compiles a function once per instruction set and picks at load time; off under sanitizers, whose
/// runtime is not up yet when the pick is made.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(LEMUR_SANITIZE)
#define LEMUR_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LEMUR_MULTIVERSION
#endif
/// For the bodies of multiversioned functions: they must be inlined to be compiled for each set.
#define LEMUR_INLINE inline __attribute__((always_inline))
#define LEMUR_INLINE_LAMBDA __attribute__((always_inline))

namespace lemur::simd {

template <typename T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float type __attribute__((vector_size(64)));
  typedef float half __attribute__((vector_size(32)));
  typedef float quarter __attribute__((vector_size(16)));
  typedef int32_t ints __attribute__((vector_size(64)));
};
template <>
struct VecOf<double> {
  typedef double type __attribute__((vector_size(64)));
  typedef double half __attribute__((vector_size(32)));
  typedef double quarter __attribute__((vector_size(16)));
  typedef int64_t ints __attribute__((vector_size(64)));
};

/// 64 bytes of T; arithmetic and comparison work lane by lane.
template <typename T>
using Vec = typename VecOf<T>::type;

/// Integers as wide as T, lane by lane: what comparisons of Vec<T> give, -1 where they hold.
template <typename T>
using Ints = typename VecOf<T>::ints;

/// Lanes of Vec<T>.
template <typename T>
inline constexpr int64_t kLanes = 64 / sizeof(T);

/// Rounds up to whole vectors.
template <typename T>
constexpr int64_t padded(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

template <typename T>
LEMUR_INLINE void load(Vec<T>& v, const T* from) {
  std::memcpy(&v, from, sizeof v);
}

template <typename T>
LEMUR_INLINE void store(T* to, const Vec<T>& v) {
  std::memcpy(to, &v, sizeof v);
}

/// Loads the first `lanes` of a vector, zeros behind.
template <typename T>
LEMUR_INLINE void load_part(Vec<T>& v, const T* from, int64_t lanes) {
  if (lanes == kLanes<T>) return load(v, from);
  v = Vec<T>{};
  for (int64_t lane = 0; lane < lanes; ++lane) v[lane] = from[lane];
}

/// Stores the first `lanes` of a vector.
template <typename T>
LEMUR_INLINE void store_part(T* to, const Vec<T>& v, int64_t lanes) {
  if (lanes == kLanes<T>) return store(to, v);
  for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = v[lane];
}

/// Calls body(column, lanes) for the vectors of `width` values; the last may have fewer lanes.
template <typename T, typename Body>
LEMUR_INLINE void for_vectors(int64_t width, const Body& body) {
  int64_t column = 0;
  for (; column + kLanes<T> <= width; column += kLanes<T>) body(column, kLanes<T>);
  if (column < width) body(column, width - column);
}

/// Transposes a square of as many vectors as each has lanes.
template <typename T>
LEMUR_INLINE void transpose(Vec<T> (&rows)[kLanes<T>]) {
#pragma GCC unroll 4
  for (int64_t step = 1; step < kLanes<T>; step *= 2) {
    Ints<T> upper{}, lower{};
    for (int64_t lane = 0; lane < kLanes<T>; ++lane) {
      upper[lane] = lane & step ? kLanes<T> + lane - step : lane;
      lower[lane] = lane & step ? kLanes<T> + lane : lane + step;
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes<T>; ++i) {
      if (i & step) continue;
      const Vec<T> first = rows[i], second = rows[i + step];
      rows[i] = __builtin_shuffle(first, second, upper);
      rows[i + step] = __builtin_shuffle(first, second, lower);
    }
  }
}

/// Adds up the lanes, halves first.
template <typename T>
LEMUR_INLINE T sum(const Vec<T>& v) {
  typename VecOf<T>::half low, high;
  std::memcpy(&low, &v, sizeof low);
  std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
  low += high;
  typename VecOf<T>::quarter first, second;
  std::memcpy(&first, &low, sizeof first);
  std::memcpy(&second, reinterpret_cast<const char*>(&low) + sizeof first, sizeof second);
  first += second;
  T total = 0;
  for (int64_t lane = 0; lane < kLanes<T> / 4; ++lane) total += first[lane];
  return total;
}

/// Replaces v by exp(v) for v <= 0: relative error below 2e-7 in float, results below 1e-37 become
/// about 1e-38. NaN stays NaN.
LEMUR_INLINE void exp_nonpositive(Vec<float>& v) {
  typedef uint32_t Ints __attribute__((vector_size(64)));
  const float lowest = -87.0f, to_integer = 12582912.0f;  // 1.5 * 2^23: rounds in the addition
  v = v < lowest ? Vec<float>{} + lowest : v;
  Vec<float> shifted = v * 1.44269504f + to_integer;
  Vec<float> n = shifted - to_integer;
  Vec<float> r = v - n * 0.693359375f + n * 2.12194440e-4f;
  Vec<float> p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Ints bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = ((bits - 0x4b400000u) + 127u) << 23;
  Vec<float> power;
  std::memcpy(&power, &bits, sizeof power);
  v = p * power;
}

LEMUR_INLINE void exp_nonpositive(Vec<double>& v) {
  for (int64_t lane = 0; lane < kLanes<double>; ++lane) v[lane] = std::exp(v[lane]);
}

/// Returns the sum of a[j] * b[j] over n values.
template <typename T>
LEMUR_INLINE T dot(const T* a, const T* b, int64_t n) {
  Vec<T> sums{};
  for_vectors<T>(n, [&](int64_t j, int64_t lanes) LEMUR_INLINE_LAMBDA {
    Vec<T> left, right;
    load_part(left, a + j, lanes);
    load_part(right, b + j, lanes);
    sums += left * right;
  });
  return sum<T>(sums);
}

/// Turns scores[0, n) into probabilities and zeroes the rest of the last vector. `scores` has room
/// for padded(n) values. Requires n > 0.
template <typename T>
LEMUR_INLINE void softmax(T* scores, int64_t n) {
  const int64_t end = padded<T>(n);
  T highest = scores[0];
  Vec<T> top = Vec<T>{} + highest;
  for (int64_t j = n; j < end; ++j) scores[j] = highest;
  for (int64_t j = 0; j < end; j += kLanes<T>) {
    Vec<T> v;
    load(v, scores + j);
    top = v > top ? v : top;
  }
  for (int64_t lane = 0; lane < kLanes<T>; ++lane)
    highest = top[lane] > highest ? top[lane] : highest;
  Vec<T> sums{};
  for (int64_t j = 0; j < end; j += kLanes<T>) {
    Vec<T> v;
    load(v, scores + j);
    v -= highest;
    exp_nonpositive(v);
    if (j + kLanes < T >> n)
      for (int64_t lane = n - j; lane < kLanes<T>; ++lane) v[lane] = 0;
    sums += v;
    store(scores + j, v);
  }
  const T scale = 1 / sum<T>(sums);
  for (int64_t j = 0; j < end; j += kLanes<T>) {
    Vec<T> v;
    load(v, scores + j);
    v *= scale;
    store(scores + j, v);
  }
}

}  // namespace lemur::simd
