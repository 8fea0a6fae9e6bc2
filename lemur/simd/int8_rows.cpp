#include "lemur/simd/int8_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "lemur/simd/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lemur/simd/int8_rows.cpp"
#include <hwy/foreach_target.h>

#include "lemur/simd/dispatch.h"
#include "lemur/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lemur::HWY_NAMESPACE {
namespace {

using Integers = hn::Rebind<int32_t, Tag<float>>;

/// Calls body(values, place) for the vectors of a row [k] and of the zeros behind it.
template <typename Body>
HWY_INLINE void for_padded(const float* x, int64_t k, const Body& body) {
  const Tag<float> d;
  const int64_t step = lanes<float>();
  for (int64_t at = 0; at < int8_padded(k); at += step)
    body(at + step <= k ? hn::LoadU(d, x + at)
         : at < k       ? load_part(x + at, k - at)
                        : hn::Zero(d),
         at);
}

/// Returns the number of the largest bits.
HWY_INLINE float size_of(hn::Vec<Integers> sizes) {
  const int32_t bits = hn::GetLane(hn::MaxOfLanes(Integers(), sizes));
  float size;
  std::memcpy(&size, &bits, sizeof size);
  return size;
}

/// Returns the largest size of a number of the row; NaN and infinity are the largest.
HWY_INLINE float largest_size(const float* x, int64_t k) {
  const Integers integers;
  auto largest = hn::Zero(integers);  // numbers that are not negative compare as their bits do
  for_vectors<float>(k, [&](int64_t at, int64_t count) HWY_ATTR {
    largest = hn::Max(largest, hn::BitCast(integers, hn::Abs(load_part(x + at, count))));
  });
  return size_of(largest);
}

/// Writes factor (x - least) of a row and of the zeros behind it, rounded to whole numbers.
HWY_INLINE void round_row(const float* x, int64_t k, float factor, float least, uint8_t* q) {
  const Tag<float> d;
  const hn::Rebind<uint32_t, Tag<float>> words;
  const hn::Rebind<uint8_t, Tag<float>> bytes;
  // Numbers of this size (1.5 * 2^23) have no places behind the point: adding it rounds to the
  // nearest whole number, which stands in the last bits.
  const auto large = hn::Set(d, 12582912.0F), factors = hn::Set(d, factor),
             leasts = hn::Set(d, least);
  for_padded(x, k, [&](Vec<float> v, int64_t at) HWY_ATTR {
    const auto rounded = hn::MulAdd(hn::Sub(v, leasts), factors, large);
    hn::StoreU(hn::TruncateTo(bytes, hn::BitCast(words, rounded)), bytes, q + at);
  });
}

#undef LEMUR_INT8
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define LEMUR_INT8 1

constexpr bool kHasInt8 = true;
constexpr int64_t kTogether = 4;  // products that one 32-bit sum takes at a time

#if HWY_TARGET == HWY_AVX3
constexpr int kBlock = 8;  // rows at a time
#else
constexpr int kBlock = 4;
#endif

using Bytes = hn::Repartition<int8_t, Integers>;
using Pairs = hn::Repartition<int16_t, Integers>;

/// Returns sums of two neighbouring products of unsigned and signed bytes.
HWY_INLINE hn::Vec<Pairs> pair_sums(hn::Vec<Integers> row, hn::Vec<Bytes> weights) {
#if HWY_TARGET == HWY_AVX3
  return hn::Vec<Pairs>{_mm512_maddubs_epi16(row.raw, weights.raw)};
#elif HWY_TARGET == HWY_AVX2
  return hn::Vec<Pairs>{_mm256_maddubs_epi16(row.raw, weights.raw)};
#else
  return hn::Vec<Pairs>{_mm_maddubs_epi16(row.raw, weights.raw)};
#endif
}

HWY_INLINE int64_t panel_outputs() { return 2 * lanes<float>(); }

/// A row in 7 bits: least + scale * q.
struct RowScale {
  float scale, least;
};

/// Keeps the least, the largest and the bits of the largest size: NaN and infinity are larger than
/// all others in size, whose bits compare as the numbers do.
HWY_INLINE void look_at(Vec<float> v, Vec<float>& least, Vec<float>& most,
                        hn::Vec<Integers>& size) {
  least = hn::Min(least, v), most = hn::Max(most, v);
  size = hn::Max(size, hn::BitCast(Integers(), hn::Abs(v)));
}

/// Rounds a row to 127 steps from its least to its largest number.
HWY_INLINE RowScale quantise(const float* x, int64_t k, uint8_t* q) {
  const Tag<float> d;
  const int64_t step = lanes<float>();
  auto least = hn::Set(d, x[0]), most = least, least2 = least, most2 = least;
  auto sizes = hn::Zero(Integers()), sizes2 = sizes;
  int64_t at = 0;
  for (; at + 2 * step <= k; at += 2 * step) {
    look_at(hn::LoadU(d, x + at), least, most, sizes);
    look_at(hn::LoadU(d, x + at + step), least2, most2, sizes2);
  }
  for (; at < k; at += step) {
    const int64_t count = std::min(step, k - at);
    auto v = load_part(x + at, count);
    if (count < step)
      v = hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(count)), v, hn::Set(d, x[0]));
    look_at(v, least, most, sizes);
  }
  const float size = size_of(hn::Max(sizes, sizes2));
  if (!std::isfinite(size)) {
    round_row(x, k, 0, 0, q);
    return {size, size};
  }
  const float low = hn::GetLane(hn::MinOfLanes(d, hn::Min(least, least2))),
              range = hn::GetLane(hn::MaxOfLanes(d, hn::Max(most, most2))) - low;
  round_row(x, k, range > 0 ? static_cast<float>(kInt8Steps) / range : 0, low, q);
  return {range / static_cast<float>(kInt8Steps), low};
}

/// Writes `count` outputs, at most those of a panel, of kRows rows, `stride` apart.
struct Outputs {
  float* y;
  int64_t stride, count;
  const RowScale* rows;
  const float *scales, *sums, *bias;
};

/// Scales the sums [rows, 2 vectors] of a panel.
HWY_INLINE void store_outputs(const int32_t* sums, int64_t rows, const Outputs& to) {
  const Tag<float> d;
  const int64_t step = lanes<float>();
  for (int64_t first = 0; first < std::min(to.count, 2 * step); first += step) {
    const int64_t count = std::min(to.count - first, step);
    const auto scale = hn::LoadU(d, to.scales + first), total = hn::LoadU(d, to.sums + first),
               bias = to.bias == nullptr ? hn::Zero(d) : load_part(to.bias + first, count);
    for (int64_t row = 0; row < rows; ++row) {
      const auto values = hn::ConvertTo(d, hn::LoadU(Integers(), sums + 2 * row * step + first));
      const auto shift = hn::MulAdd(hn::Set(d, to.rows[row].least), total, bias);
      const auto factor = hn::Mul(scale, hn::Set(d, to.rows[row].scale));
      store_part<float>(to.y + row * to.stride + first, hn::MulAdd(values, factor, shift), count);
    }
  }
}

/// kRows rows of bytes, `k` apart, with a panel of weights.
template <int kRows>
HWY_INLINE void multiply_panel(int64_t k, const uint8_t* q, const int8_t* panel,
                               const Outputs& to) {
  const Integers integers;
  const Bytes bytes;
  const int64_t step = static_cast<int64_t>(hn::Lanes(bytes));
  const auto ones = hn::Set(Pairs(), 1);
  auto unused = hn::Zero(integers);
#define LEMUR_DECLARE(i) auto left##i = hn::Zero(integers), right##i = left##i;
  LEMUR_REPEAT_8(LEMUR_DECLARE)
#undef LEMUR_DECLARE
  for (int64_t j = 0; j < k; j += 2 * kTogether, panel += 4 * step) {
    const auto left = hn::LoadU(bytes, panel), right = hn::LoadU(bytes, panel + step),
               next_left = hn::LoadU(bytes, panel + 2 * step),
               next_right = hn::LoadU(bytes, panel + 3 * step);
#define LEMUR_ADD(i)                                                                    \
  if constexpr (i < kRows) {                                                            \
    int32_t four, next_four;                                                            \
    std::memcpy(&four, q + i * k + j, sizeof four);                                     \
    std::memcpy(&next_four, q + i * k + j + kTogether, sizeof next_four);               \
    const auto row = hn::Set(integers, four), next = hn::Set(integers, next_four);      \
    const auto lefts = hn::Add(pair_sums(row, left), pair_sums(next, next_left)),       \
               rights = hn::Add(pair_sums(row, right), pair_sums(next, next_right));    \
    left##i = hn::ReorderWidenMulAccumulate(integers, lefts, ones, left##i, unused);    \
    right##i = hn::ReorderWidenMulAccumulate(integers, rights, ones, right##i, unused); \
  }
    LEMUR_REPEAT_8(LEMUR_ADD)
#undef LEMUR_ADD
  }
  // Through memory: what follows would take registers from the loop.
  int32_t sums[kRows * 2 * simd::kLanes<float>];
#define LEMUR_STORE(i)                                                   \
  if constexpr (i < kRows) {                                             \
    hn::StoreU(left##i, integers, sums + 2 * i * lanes<float>());        \
    hn::StoreU(right##i, integers, sums + (2 * i + 1) * lanes<float>()); \
  }
  LEMUR_REPEAT_8(LEMUR_STORE)
#undef LEMUR_STORE
  store_outputs(sums, kRows, to);
}

template <int kRows>
HWY_INLINE void multiply_rows(int64_t rows, int64_t k, const uint8_t* q, const int8_t* panel,
                              Outputs to) {
  for (; rows >= kRows; rows -= kRows) {
    multiply_panel<kRows>(k, q, panel, to);
    q += kRows * k;
    to.y += kRows * to.stride;
    to.rows += kRows;
  }
  if constexpr (kRows > 1) multiply_rows<kRows / 2>(rows, k, q, panel, to);
}

#else
#define LEMUR_INT8 0
constexpr bool kHasInt8 = false;
#endif

}  // namespace

bool has_int8() { return kHasInt8; }

float quantise_bytes(const float* x, int64_t k, float steps, int8_t* q) {
  const float size = largest_size(x, k);
  round_row(x, k, size > 0 && std::isfinite(size) ? steps / size : 0, 0,
            reinterpret_cast<uint8_t*>(q));
  return size / steps;
}

void scale_sums(int64_t n, const int32_t* sums, float row_scale, const float* scales,
                const float* shifts, float* y) {
  const Tag<float> d;
  const auto row = hn::Set(d, row_scale);
  const int64_t step = lanes<float>();
  int64_t at = 0;
  for (; at + step <= n; at += step)
    hn::StoreU(hn::MulAdd(hn::ConvertTo(d, hn::LoadU(Integers(), sums + at)),
                          hn::Mul(row, hn::LoadU(d, scales + at)), hn::LoadU(d, shifts + at)),
               d, y + at);
  for (; at < n; ++at) y[at] = static_cast<float>(sums[at]) * (row_scale * scales[at]) + shifts[at];
}

void pack_matrix(const float* weight, Int8Matrix& to) {
#if LEMUR_INT8
  const int64_t outputs = panel_outputs(), panels = (to.n + outputs - 1) / outputs,
                k = int8_padded(to.k);
  to.values.resize(static_cast<size_t>(panels * outputs * k));
  to.sums.resize(static_cast<size_t>(panels * outputs));
  to.scales.resize(static_cast<size_t>(panels * outputs));
  std::vector<int8_t> row(static_cast<size_t>(k));
  for (int64_t i = 0; i < to.n; ++i) {
    to.scales[static_cast<size_t>(i)] =
        quantise_bytes(weight + i * to.k, to.k, kInt8WeightSteps, row.data());
    int8_t* panel = to.values.data() + i / outputs * outputs * k;
    int32_t sum = 0;
    for (int64_t j = 0; j < k; ++j) {
      panel[j / kTogether * outputs * kTogether + i % outputs * kTogether + j % kTogether] =
          row[static_cast<size_t>(j)];
      sum += row[static_cast<size_t>(j)];
    }
    to.sums[static_cast<size_t>(i)] = to.scales[static_cast<size_t>(i)] * static_cast<float>(sum);
  }
#else
  (void)weight, (void)to;
#endif
}

void multiply_int8(const Int8Matrix& weight, int64_t rows, const float* x, const float* bias,
                   float* y) {
#if LEMUR_INT8
  constexpr int64_t kRows = 128;  // at a time: they stay in the cache
  const int64_t k = int8_padded(weight.k), outputs = panel_outputs();
  auto* q = thread_buffer<uint8_t, Int8Matrix>(kRows * k);
  RowScale scales[kRows];
  for (; rows > 0; rows -= kRows, x += kRows * weight.k, y += kRows * weight.n) {
    const int64_t count = std::min(rows, kRows);
    for (int64_t i = 0; i < count; ++i) scales[i] = quantise(x + i * weight.k, weight.k, q + i * k);
    for (int64_t first = 0; first < weight.n; first += outputs)
      multiply_rows<kBlock>(
          count, k, q, weight.values.data() + first * k,
          {y + first, weight.n, weight.n - first, scales, weight.scales.data() + first,
           weight.sums.data() + first, bias == nullptr ? nullptr : bias + first});
  }
#else
  (void)weight, (void)rows, (void)x, (void)bias, (void)y;
#endif
}

}  // namespace lemur::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lemur {

HWY_EXPORT(has_int8);
HWY_EXPORT(quantise_bytes);
HWY_EXPORT(scale_sums);
HWY_EXPORT(pack_matrix);
HWY_EXPORT(multiply_int8);

bool has_int8_rows() { return LEMUR_DISPATCH(has_int8)(); }

float quantise_row(const float* x, int64_t k, int8_t* q) {
  return LEMUR_DISPATCH(quantise_bytes)(x, k, kInt8Steps, q);
}

void scale_row(int64_t n, const int32_t* sums, float row_scale, const float* scales,
               const float* shifts, float* y) {
  LEMUR_DISPATCH(scale_sums)(n, sums, row_scale, scales, shifts, y);
}

Int8Matrix pack_int8(const float* weight, int64_t n, int64_t k) {
  Int8Matrix packed{n, k, {}, {}, {}};
  LEMUR_DISPATCH(pack_matrix)(weight, packed);
  return packed;
}

void int8_rows(const Int8Matrix& weight, int64_t rows, const float* x, const float* bias,
               float* y) {
  LEMUR_DISPATCH(multiply_int8)(weight, rows, x, bias, y);
}

}  // namespace lemur
#endif
