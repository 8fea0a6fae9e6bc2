#include "lemur/simd/matrix_product.h"

#include <algorithm>
#include <cstring>

#include "lemur/simd/flops.h"
#include "lemur/simd/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lemur/simd/matrix_product.cpp"
#include <hwy/foreach_target.h>

#include "lemur/simd/dispatch.h"
#include "lemur/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lemur::HWY_NAMESPACE {
namespace {

// Most rows of C that are computed at a time, of two vectors each: their sums, a row of B and a
// factor fill the registers, of which these sets have 32, the others 16.
#if HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64
constexpr int kBlock = 12;
#else
constexpr int kBlock = 6;
#endif

// Values of the inner sum that are added up before C is touched: a panel of B and the rows of A
// stay in the first cache.
constexpr int64_t kInner = 256;
// Most rows of a transposed A that are copied at a time: they stay in the second cache.
constexpr int64_t kTurnedRows = 384;

/// Where a block of C goes: `columns` of a panel, the rest of which is not stored, plus the rows of
/// `before`, `before_stride` apart (null: none).
template <typename T>
struct Block {
  T* c;
  int64_t stride, columns;
  const T* before;
  int64_t before_stride;
};

/// Values in a row of a panel of B.
template <typename T>
HWY_INLINE int64_t panel_width() {
  return 2 * lanes<T>();
}

/// Stores the first `count` of a vector of sums, plus what was there before.
template <typename T>
HWY_INLINE void store_sums(T* c, const T* before, Vec<T> sums, int64_t count) {
  if (before != nullptr) sums = hn::Add(load_part(before, count), sums);
  store_part<T>(c, sums, count);
}

/// A block of C: kRows rows, of one vector or of two.
template <typename T, int kRows, bool kTwo>
HWY_INLINE void multiply_rows(int64_t k, const MatrixView<T>& a, const T* HWY_RESTRICT panel,
                              const Block<T>& to) {
  const Tag<T> d;
  const int64_t step = lanes<T>();
  // The compiler drops the sums that are not used.
#define LEMUR_DECLARE(i) auto left##i = hn::Zero(d), right##i = hn::Zero(d);
  LEMUR_REPEAT_12(LEMUR_DECLARE)
#undef LEMUR_DECLARE
  const T* HWY_RESTRICT column = a.data;
  const int64_t row = a.row;
  for (int64_t j = 0; j < k; ++j, panel += 2 * step, column += a.column) {
    const auto left = hn::LoadU(d, panel), right = hn::LoadU(d, panel + step);
#define LEMUR_ADD(i)                                                    \
  if constexpr (i < kRows) {                                            \
    const auto factor = hn::Set(d, column[i * row]);                    \
    left##i = hn::MulAdd(factor, left, left##i);                        \
    if constexpr (kTwo) right##i = hn::MulAdd(factor, right, right##i); \
  }
    LEMUR_REPEAT_12(LEMUR_ADD)
#undef LEMUR_ADD
  }
#define LEMUR_STORE(i)                                                                   \
  if constexpr (i < kRows) {                                                             \
    T* c = to.c + i * to.stride;                                                         \
    const T* before = to.before == nullptr ? nullptr : to.before + i * to.before_stride; \
    store_sums<T>(c, before, left##i, kTwo ? step : to.columns);                         \
    if constexpr (kTwo)                                                                  \
      store_sums<T>(c + step, before == nullptr ? nullptr : before + step, right##i,     \
                    to.columns - step);                                                  \
  }
  LEMUR_REPEAT_12(LEMUR_STORE)
#undef LEMUR_STORE
}

/// A block of C of `rows` <= kRows rows.
template <typename T, int kRows>
HWY_INLINE void multiply_block(int64_t rows, int64_t k, const MatrixView<T>& a, const T* panel,
                               const Block<T>& to) {
  if (rows == kRows) {
    if (to.columns > lanes<T>()) {
      multiply_rows<T, kRows, true>(k, a, panel, to);
    } else {
      multiply_rows<T, kRows, false>(k, a, panel, to);
    }
  } else if constexpr (kRows > 1) {
    multiply_block<T, kRows - 1>(rows, k, a, panel, to);
  }
}

/// Cuts rows into blocks, none of which is much smaller than the others.
struct Blocks {
  int64_t count, least, longer;  // the first `longer` ones have a row more than `least`

  explicit Blocks(int64_t rows)
      : count((rows + kBlock - 1) / kBlock), least(rows / count), longer(rows % count) {}

  HWY_INLINE int64_t rows(int64_t i) const { return least + (i < longer ? 1 : 0); }
  HWY_INLINE int64_t first(int64_t i) const { return i * least + std::min(i, longer); }
};

#undef LEMUR_TURNS
#define LEMUR_TURNS (HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE)
#if LEMUR_TURNS

/// Loads blocks of four values, `stride` values apart, into a vector.
template <class D>
HWY_INLINE hn::Vec<D> load_blocks(D d, const float* from, int64_t stride) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    const auto low = load_blocks(half, from, stride);
    return hn::Combine(
        d, load_blocks(half, from + static_cast<int64_t>(hn::MaxLanes(half)) / 4 * stride, stride),
        low);
  }
}

/// Writes a vector of B's columns, each contiguous and `stride` values after the one before, to
/// four rows of a panel.
HWY_INLINE void pack_turned(const float* from, int64_t stride, float* HWY_RESTRICT panel) {
  const Tag<float> d;
  const hn::RepartitionToWide<Tag<float>> pairs;
  const int64_t width = panel_width<float>();
  const auto v0 = load_blocks(d, from, 4 * stride), v1 = load_blocks(d, from + stride, 4 * stride),
             v2 = load_blocks(d, from + 2 * stride, 4 * stride),
             v3 = load_blocks(d, from + 3 * stride, 4 * stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, v0, v1)),
             low23 = hn::BitCast(pairs, hn::InterleaveLower(d, v2, v3)),
             high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, v0, v1)),
             high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, v2, v3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, panel);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, panel + width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, panel + 2 * width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, panel + 3 * width);
}
#endif

/// Copies B [k, columns] to rows of a panel, zeros behind.
template <typename T>
HWY_INLINE void pack(int64_t k, const MatrixView<T>& b, int64_t columns, T* HWY_RESTRICT panel) {
  const Tag<T> d;
  const int64_t step = lanes<T>(), width = 2 * step;
  if (b.column == 1 && columns == width) {
    for (int64_t j = 0; j < k; ++j) {
      hn::StoreU(hn::LoadU(d, b.data + j * b.row), d, panel + j * width);
      hn::StoreU(hn::LoadU(d, b.data + j * b.row + step), d, panel + j * width + step);
    }
    return;
  }
  int64_t packed = 0;
#if LEMUR_TURNS
  if constexpr (sizeof(T) == sizeof(float))
    if (b.row == 1 && columns == width)
      for (; packed + 4 <= k; packed += 4)
        for (int64_t c = 0; c < width; c += step)
          pack_turned(b.data + packed + c * b.column, b.column, panel + packed * width + c);
#endif
  for (int64_t c = 0; c < width; ++c)
    for (int64_t j = packed; j < k; ++j)
      panel[j * width + c] = c < columns ? b.data[j * b.row + c * b.column] : T(0);
}

template <typename T>
HWY_INLINE void copy_four(const T* HWY_RESTRICT from, T* HWY_RESTRICT to) {
  std::memcpy(to, from, 4 * sizeof(T));
}

/// Copies A [m, k], whose columns are contiguous, block by block: of each its columns, one behind
/// the other.
template <typename T>
HWY_INLINE void pack_blocks(const Blocks& blocks, int64_t k, const MatrixView<T>& a,
                            T* HWY_RESTRICT to) {
  constexpr int64_t kTogether = 16;  // columns whose cache lines all blocks are copied from
  for (int64_t begin = 0; begin < k; begin += kTogether) {
    const int64_t end = std::min(begin + kTogether, k);
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int64_t rows = blocks.rows(block), first = blocks.first(block);
      const T* HWY_RESTRICT column = a.data + first + begin * a.column;
      T* HWY_RESTRICT packed = to + first * k + begin * rows;
      const int64_t last = rows - 4, middle = std::min<int64_t>(4, last);
      for (int64_t j = begin; j < end; ++j, column += a.column, packed += rows) {
        if (rows < 4) {
          for (int64_t i = 0; i < rows; ++i) packed[i] = column[i];
        } else {
          copy_four(column, packed);
          if constexpr (kBlock > 8) copy_four(column + middle, packed + middle);
          copy_four(column + last, packed + last);
        }
      }
    }
  }
}

template <typename T>
void multiply_any(int64_t m, int64_t n, int64_t k, const MatrixView<T>& a, const MatrixView<T>& b,
                  T* c, int64_t c_stride, bool add, const T* bias) {
  const int64_t width = panel_width<T>();
  // Of a transposed A every value lies in a cache line of its own; a copy pays for itself after
  // some panels.
  const bool is_turned = a.row == 1 && a.column != 1 && n > 4 * width && m > 1;
  const int64_t parts = is_turned ? (m + kTurnedRows - 1) / kTurnedRows : 1,
                most_rows = (m + parts - 1) / parts, most_inner = std::min(k, kInner);
  Scratch<T> scratch{
      thread_buffer<T, MatrixView<T>>(most_inner * (width + (is_turned ? most_rows : 0)))};
  T *panel = scratch.take(most_inner * width), *turned = scratch.take(0);
  int64_t inner = 0;
  do {  // once where k is 0
    const int64_t depth = std::min(kInner, k - inner);
    for (int64_t top = 0; top < m; top += most_rows) {
      const int64_t height = std::min(most_rows, m - top);
      const T* rows_of_a = a.data + top * a.row + inner * a.column;
      const Blocks blocks(height);
      if (is_turned) pack_blocks<T>(blocks, depth, {rows_of_a, a.row, a.column}, turned);
      for (int64_t first = 0; first < n; first += width) {
        const int64_t columns = std::min(width, n - first);
        pack<T>(depth, {b.data + inner * b.row + first * b.column, b.row, b.column}, columns,
                panel);
        T* corner = c + top * c_stride + first;
        const bool adds = add || inner > 0;
        const T* before = adds ? corner : bias == nullptr ? nullptr : bias + first;
        const int64_t before_stride = adds ? c_stride : 0;
        for (int64_t block = 0; block < blocks.count; ++block) {
          const int64_t rows = blocks.rows(block), row = blocks.first(block);
          const MatrixView<T> part = is_turned
                                         ? MatrixView<T>{turned + row * depth, 1, rows}
                                         : MatrixView<T>{rows_of_a + row * a.row, a.row, a.column};
          multiply_block<T, kBlock>(
              rows, depth, part, panel,
              {corner + row * c_stride, c_stride, columns,
               before == nullptr ? nullptr : before + row * before_stride, before_stride});
        }
      }
    }
    inner += kInner;
  } while (inner < k);
}

}  // namespace

void multiply_floats(int64_t m, int64_t n, int64_t k, const MatrixView<float>& a,
                     const MatrixView<float>& b, float* c, int64_t c_stride, bool add,
                     const float* bias) {
  multiply_any(m, n, k, a, b, c, c_stride, add, bias);
}

void multiply_doubles(int64_t m, int64_t n, int64_t k, const MatrixView<double>& a,
                      const MatrixView<double>& b, double* c, int64_t c_stride, bool add,
                      const double* bias) {
  multiply_any(m, n, k, a, b, c, c_stride, add, bias);
}

}  // namespace lemur::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lemur {

HWY_EXPORT(multiply_floats);
HWY_EXPORT(multiply_doubles);

template <>
void multiply(int64_t m, int64_t n, int64_t k, const MatrixView<float>& a,
              const MatrixView<float>& b, float* c, int64_t c_stride, bool add, const float* bias) {
  count_flops(2 * m * n * k);
  LEMUR_DISPATCH(multiply_floats)(m, n, k, a, b, c, c_stride, add, bias);
}

template <>
void multiply(int64_t m, int64_t n, int64_t k, const MatrixView<double>& a,
              const MatrixView<double>& b, double* c, int64_t c_stride, bool add,
              const double* bias) {
  count_flops(2 * m * n * k);
  LEMUR_DISPATCH(multiply_doubles)(m, n, k, a, b, c, c_stride, add, bias);
}

}  // namespace lemur
#endif
