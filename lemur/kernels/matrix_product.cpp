#include "lemur/kernels/matrix_product.h"

#include <algorithm>

#include "lemur/kernels/flops.h"
#include "lemur/kernels/scratch.h"
#include "lemur/kernels/simd.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LEMUR_TARGET(name) __attribute__((target("arch=" name)))
#define LEMUR_HAS_TARGETS
#else
#define LEMUR_TARGET(name)
#endif

namespace lemur {
namespace {

using simd::kLanes;
using simd::Vec;

template <typename T>
inline constexpr int64_t kPanel = 2 * kLanes<T>;  // columns that are computed at a time

/// Where a block of C goes: `columns` of a panel, the rest of which is not stored, plus the rows of
/// `before`, `before_stride` apart (null: none).
template <typename T>
struct Target {
  T* c;
  int64_t stride, columns;
  const T* before;
  int64_t before_stride;
};

template <typename T, int kRows>
LEMUR_INLINE void multiply_rows(int64_t k, const MatrixView<T>& a, const T* panel,
                                const Target<T>& to) {
  Vec<T> sums[kRows][2] = {};
  for (int64_t j = 0; j < k; ++j) {
    Vec<T> left, right;
    simd::load(left, panel + j * kPanel<T>);
    simd::load(right, panel + j * kPanel<T> + kLanes<T>);
    const T* column = a.data + j * a.column;
    for (int i = 0; i < kRows; ++i) {
      const T factor = column[i * a.row];
      sums[i][0] += factor * left;
      sums[i][1] += factor * right;
    }
  }
  for (int i = 0; i < kRows; ++i)
    for (int half = 0; half < 2; ++half) {
      const int64_t first = half * kLanes<T>;
      const int64_t lanes = std::min(kLanes<T>, to.columns - first);
      if (lanes <= 0) break;
      T* c = to.c + i * to.stride + first;
      Vec<T> before{};
      if (to.before != nullptr)
        simd::load_part(before, to.before + i * to.before_stride + first, lanes);
      simd::store_part(c, before + sums[i][half], lanes);
    }
}

/// One panel of C, rows in blocks of kRows, then of halves of it.
template <typename T, int kRows>
LEMUR_INLINE void multiply_panel(int64_t m, int64_t k, MatrixView<T> a, const T* panel,
                                 Target<T> to) {
  for (; m >= kRows; m -= kRows) {
    multiply_rows<T, kRows>(k, a, panel, to);
    a.data += kRows * a.row;
    to.c += kRows * to.stride;
    if (to.before != nullptr) to.before += kRows * to.before_stride;
  }
  if constexpr (kRows > 1) multiply_panel<T, kRows / 2>(m, k, a, panel, to);
}

/// Writes a square of B's columns, each contiguous and `stride` values after the one before, to
/// rows of a panel.
template <typename T>
LEMUR_INLINE void pack_turned(const T* from, int64_t stride, T* panel) {
  Vec<T> rows[kLanes<T>];
  for (int64_t i = 0; i < kLanes<T>; ++i) simd::load(rows[i], from + i * stride);
  simd::transpose<T>(rows);
  for (int64_t i = 0; i < kLanes<T>; ++i) simd::store(panel + i * kPanel<T>, rows[i]);
}

/// Copies B [k, columns] to rows of a panel, zeros behind.
template <typename T>
LEMUR_INLINE void pack(int64_t k, const MatrixView<T>& b, int64_t columns, T* panel) {
  if (b.column == 1 && columns == kPanel<T>) {
    for (int64_t j = 0; j < k; ++j) {
      Vec<T> left, right;
      simd::load(left, b.data + j * b.row);
      simd::load(right, b.data + j * b.row + kLanes<T>);
      simd::store(panel + j * kPanel<T>, left);
      simd::store(panel + j * kPanel<T> + kLanes<T>, right);
    }
    return;
  }
  int64_t packed = 0;
  if (b.row == 1 && columns == kPanel<T>)
    for (; packed + kLanes<T> <= k; packed += kLanes<T>)
      for (int64_t c = 0; c < kPanel<T>; c += kLanes<T>)
        pack_turned(b.data + packed + c * b.column, b.column, panel + packed * kPanel<T> + c);
  for (int64_t c = 0; c < kPanel<T>; ++c)
    for (int64_t j = packed; j < k; ++j)
      panel[j * kPanel<T> + c] = c < columns ? b.data[j * b.row + c * b.column] : T(0);
}

/// One panel of C, from the columns of B that it takes. `panel` has room for k * kPanel values.
template <typename T, int kRows>
LEMUR_INLINE void multiply_columns(int64_t m, int64_t k, const MatrixView<T>& a,
                                   const MatrixView<T>& b, T* panel, const Target<T>& to) {
  pack(k, b, to.columns, panel);
  multiply_panel<T, kRows>(m, k, a, panel, to);
}

template <typename T>
using PanelKernel = void (*)(int64_t, int64_t, const MatrixView<T>&, const MatrixView<T>&, T*,
                             const Target<T>&);

// Rows such that the sums stay in registers: 32 of 64 bytes, 16 of 32, 16 of 16.
template <typename T>
LEMUR_TARGET("x86-64-v4")
void multiply_v4(int64_t m, int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* panel,
                 const Target<T>& to) {
  multiply_columns<T, 12>(m, k, a, b, panel, to);
}

template <typename T>
LEMUR_TARGET("x86-64-v3")
void multiply_v3(int64_t m, int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* panel,
                 const Target<T>& to) {
  multiply_columns<T, 3>(m, k, a, b, panel, to);
}

template <typename T>
void multiply_portable(int64_t m, int64_t k, const MatrixView<T>& a, const MatrixView<T>& b,
                       T* panel, const Target<T>& to) {
  multiply_columns<T, 1>(m, k, a, b, panel, to);
}

template <typename T>
PanelKernel<T> choose_kernel() {
#ifdef LEMUR_HAS_TARGETS
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    return multiply_v4<T>;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return multiply_v3<T>;
#endif
  return multiply_portable<T>;
}

}  // namespace

template <typename T>
void multiply(int64_t m, int64_t n, int64_t k, const MatrixView<T>& a, const MatrixView<T>& b, T* c,
              int64_t c_stride, bool add, const T* bias) {
  static const PanelKernel<T> kernel = choose_kernel<T>();
  count_flops(2 * m * n * k);
  T* panel = thread_buffer<T, MatrixView<T>>(k * kPanel<T>);
  for (int64_t first = 0; first < n; first += kPanel<T>) {
    const int64_t columns = std::min(kPanel<T>, n - first);
    kernel(m, k, a, {b.data + first * b.column, b.row, b.column}, panel,
           {c + first, c_stride, columns,
            add               ? c + first
            : bias == nullptr ? nullptr
                              : bias + first,
            add ? c_stride : 0});
  }
}

template void multiply(int64_t, int64_t, int64_t, const MatrixView<float>&,
                       const MatrixView<float>&, float*, int64_t, bool, const float*);
template void multiply(int64_t, int64_t, int64_t, const MatrixView<double>&,
                       const MatrixView<double>&, double*, int64_t, bool, const double*);

}  // namespace lemur
