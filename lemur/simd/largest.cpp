#include "lemur/simd/largest.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lemur/simd/largest.cpp"
#include <hwy/foreach_target.h>

#include "lemur/simd/dispatch.h"
#include "lemur/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lemur::HWY_NAMESPACE {
namespace {

/// Of so few values, counting how many come before each is faster than a sort, whose branches
/// nobody can predict; of more, whose count would be squared, a sort is.
constexpr int64_t kMostCounted = 512;

/// Returns how many of the values come before value i: the larger ones and, of equal ones, those at
/// a smaller place.
template <typename T>
HWY_INLINE int64_t rank_of(const T* values, int64_t count, int64_t i) {
  const Tag<T> d;
  const auto value = hn::Set(d, values[i]);
  int64_t before = 0;
  const auto count_part = [&](int64_t at, int64_t part, auto is_before) HWY_ATTR {
    auto found = is_before(load_part(values + at, part));
    if (part < lanes<T>()) found = hn::And(found, hn::FirstN(d, static_cast<size_t>(part)));
    before += static_cast<int64_t>(hn::CountTrue(d, found));
  };
  for_vectors<T>(i, [&](int64_t at, int64_t part) HWY_ATTR {
    count_part(at, part, [&](Vec<T> v) HWY_ATTR { return hn::Ge(v, value); });
  });
  for_vectors<T>(count - i, [&](int64_t at, int64_t part) HWY_ATTR {
    count_part(i + at, part, [&](Vec<T> v) HWY_ATTR { return hn::Gt(v, value); });
  });
  return before;
}

/// Returns a number that at least k of the `count` > 4 k values reach: the k-th of the highest of
/// 2 k groups.
template <typename T>
HWY_INLINE T reached_by(int64_t k, const T* values, int64_t count, std::vector<T>& highest) {
  const int64_t groups = 2 * k;
  highest.assign(values, values + groups);
  T* high = highest.data();
  for (int64_t first = groups; first < count; first += groups)
    for_vectors<T>(std::min(groups, count - first), [&](int64_t at, int64_t part) HWY_ATTR {
      store_part<T>(high + at,
                    hn::Max(load_part(values + first + at, part), load_part(high + at, part)),
                    part);
    });
  if (groups > kMostCounted) {
    std::replace_if(
        high, high + groups, [](T value) { return value != value; },
        -std::numeric_limits<T>::infinity());
    std::nth_element(high, high + (k - 1), high + groups, std::greater<T>());
    return high[k - 1];
  }
  for (int64_t g = 0; g < groups; ++g)
    if (rank_of(high, groups, g) == k - 1) return high[g];
  return -std::numeric_limits<T>::infinity();  // not numbers
}

/// Leaves the places of the k largest of `values` at `listed` places first in `places`, the largest
/// first, equal ones by their place, what is no number last.
template <typename T>
HWY_INLINE void sort_places(int64_t k, const T* values, int64_t* places, int64_t listed) {
  constexpr T kLast = -std::numeric_limits<T>::infinity();
  const auto value_at = [&](int64_t place) {
    return values[place] == values[place] ? values[place] : kLast;
  };
  std::partial_sort(places, places + k, places + listed, [&](int64_t a, int64_t b) {
    const T first = value_at(a), second = value_at(b);
    return first != second ? first > second : a < b;
  });
}

template <typename T>
HWY_INLINE void list(int64_t k, const T* values, int64_t count, LargestRoom<T>& room) {
  room.reaching.resize(static_cast<size_t>(count));
  int64_t* reaching = room.reaching.data();
  int64_t listed = 0;
  if (count > 4 * k) {
    const T least = reached_by(k, values, count, room.highest);
    for (int64_t i = 0; i < count; ++i) {
      reaching[listed] = i;
      listed += values[i] >= least ? 1 : 0;
    }
  }
  if (listed < k) std::iota(reaching, reaching + (listed = count), 0);  // short, or not numbers
  if (listed > kMostCounted) {
    sort_places(k, values, reaching, listed);
    room.largest.assign(reaching, reaching + k);
    return;
  }
  room.values.resize(static_cast<size_t>(listed));
  for (int64_t i = 0; i < listed; ++i) room.values[i] = values[reaching[i]];
  room.largest.assign(static_cast<size_t>(k), 0);
  for (int64_t i = 0; i < listed; ++i) {
    const int64_t rank = rank_of(room.values.data(), listed, i);
    if (rank < k) room.largest[rank] = reaching[i];
  }
}

}  // namespace

void largest_floats(int64_t k, const float* values, int64_t count, LargestRoom<float>& room) {
  list(k, values, count, room);
}
void largest_doubles(int64_t k, const double* values, int64_t count, LargestRoom<double>& room) {
  list(k, values, count, room);
}

}  // namespace lemur::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lemur {

HWY_EXPORT(largest_floats);
HWY_EXPORT(largest_doubles);

void list_largest(int64_t k, const float* values, int64_t count, LargestRoom<float>& room) {
  LEMUR_DISPATCH(largest_floats)(k, values, count, room);
}
void list_largest(int64_t k, const double* values, int64_t count, LargestRoom<double>& room) {
  LEMUR_DISPATCH(largest_doubles)(k, values, count, room);
}

}  // namespace lemur
#endif
