#include "lemur/simd/indexed_rows.h"

#include <algorithm>

#include "lemur/simd/flops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lemur/simd/indexed_rows.cpp"
#include <hwy/foreach_target.h>

#include "lemur/simd/dispatch.h"
#include "lemur/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lemur::HWY_NAMESPACE {
namespace {

/// Fetches the row that is read some steps after j.
template <typename T>
HWY_INLINE void fetch(const RowTable<T>& rows, std::span<const int64_t> index, size_t j) {
  constexpr size_t kAhead = 6;
  if (j + kAhead >= index.size()) return;
  const T* row = rows.data + index[j + kAhead] * rows.stride;
  for (int64_t at = 0; at < rows.width; at += simd::kLanes<T>) __builtin_prefetch(row + at);
}

template <typename T>
HWY_INLINE void dots(const T* vector, const RowTable<T>& rows, std::span<const int64_t> index,
                     T* result) {
  for (size_t j = 0; j < index.size(); ++j) {
    fetch(rows, index, j);
    result[j] = dot(vector, rows.data + index[j] * rows.stride, rows.width);
  }
}

template <typename T>
HWY_INLINE void sums(const T* weights, const RowTable<T>& rows, std::span<const int64_t> index,
                     T* result) {
  const Tag<T> d;
  const int64_t step = lanes<T>();
  int64_t at = 0;
  for (; at + 8 * step <= rows.width; at += 8 * step) {
#define LEMUR_DECLARE(i) auto sum##i = hn::Zero(d);
#define LEMUR_ADD(i) sum##i = hn::MulAdd(weight, hn::LoadU(d, row + i * step), sum##i);
#define LEMUR_STORE(i) hn::StoreU(sum##i, d, result + at + i * step);
    LEMUR_REPEAT_8(LEMUR_DECLARE)
    for (size_t j = 0; j < index.size(); ++j) {
      const auto weight = hn::Set(d, weights[j]);
      const T* row = rows.data + index[j] * rows.stride + at;
      LEMUR_REPEAT_8(LEMUR_ADD)
    }
    LEMUR_REPEAT_8(LEMUR_STORE)
#undef LEMUR_DECLARE
#undef LEMUR_ADD
#undef LEMUR_STORE
  }
  for (; at < rows.width; at += step) {
    const int64_t count = std::min(step, rows.width - at);
    auto total = hn::Zero(d);
    for (size_t j = 0; j < index.size(); ++j)
      total = hn::MulAdd(hn::Set(d, weights[j]),
                         load_part(rows.data + index[j] * rows.stride + at, count), total);
    store_part<T>(result + at, total, count);
  }
}

}  // namespace

void dots_of_floats(const float* vector, const RowTable<float>& rows,
                    std::span<const int64_t> index, float* result) {
  dots(vector, rows, index, result);
}
void dots_of_doubles(const double* vector, const RowTable<double>& rows,
                     std::span<const int64_t> index, double* result) {
  dots(vector, rows, index, result);
}
void sum_of_floats(const float* weights, const RowTable<float>& rows,
                   std::span<const int64_t> index, float* result) {
  sums(weights, rows, index, result);
}
void sum_of_doubles(const double* weights, const RowTable<double>& rows,
                    std::span<const int64_t> index, double* result) {
  sums(weights, rows, index, result);
}

}  // namespace lemur::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lemur {

HWY_EXPORT(dots_of_floats);
HWY_EXPORT(dots_of_doubles);
HWY_EXPORT(sum_of_floats);
HWY_EXPORT(sum_of_doubles);

void row_dots(const float* vector, const RowTable<float>& rows, std::span<const int64_t> index,
              float* result) {
  count_flops(2 * std::ssize(index) * rows.width);
  LEMUR_DISPATCH(dots_of_floats)(vector, rows, index, result);
}
void row_dots(const double* vector, const RowTable<double>& rows, std::span<const int64_t> index,
              double* result) {
  count_flops(2 * std::ssize(index) * rows.width);
  LEMUR_DISPATCH(dots_of_doubles)(vector, rows, index, result);
}

void row_sum(const float* weights, const RowTable<float>& rows, std::span<const int64_t> index,
             float* result) {
  count_flops(2 * std::ssize(index) * rows.width);
  LEMUR_DISPATCH(sum_of_floats)(weights, rows, index, result);
}
void row_sum(const double* weights, const RowTable<double>& rows, std::span<const int64_t> index,
             double* result) {
  count_flops(2 * std::ssize(index) * rows.width);
  LEMUR_DISPATCH(sum_of_doubles)(weights, rows, index, result);
}

}  // namespace lemur
#endif
