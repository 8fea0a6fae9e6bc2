#include "lemur/tables/float16.h"

#include <c10/util/Half.h>

#include "lemur/simd/path.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace lemur {

void to_float16_portable(const float* source, uint16_t* target, int64_t n) {
  for (int64_t i = 0; i < n; ++i) target[i] = c10::detail::fp16_ieee_from_fp32_value(source[i]);
}

void from_float16_portable(const uint16_t* source, float* target, int64_t n) {
  for (int64_t i = 0; i < n; ++i) target[i] = c10::detail::fp16_ieee_to_fp32_value(source[i]);
}

#ifdef __x86_64__
namespace {

__attribute__((target("avx,f16c"))) void to_float16_f16c(const float* source, uint16_t* target,
                                                         int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i), halves);
  }
  for (; i < n; ++i) target[i] = _cvtss_sh(source[i], _MM_FROUND_TO_NEAREST_INT);
}

__attribute__((target("avx,f16c"))) void from_float16_f16c(const uint16_t* source, float* target,
                                                           int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i));
    _mm256_storeu_ps(target + i, _mm256_cvtph_ps(halves));
  }
  for (; i < n; ++i) target[i] = _cvtsh_ss(source[i]);
}

/// F16C comes with AVX2, which Highway's detection asks for together with it.
bool has_f16c() {
  static const bool has = simd::path() == "avx2" || simd::path() == "avx512";
  return has;
}

}  // namespace

void to_float16(const float* source, uint16_t* target, int64_t n) {
  has_f16c() ? to_float16_f16c(source, target, n) : to_float16_portable(source, target, n);
}

void from_float16(const uint16_t* source, float* target, int64_t n) {
  has_f16c() ? from_float16_f16c(source, target, n) : from_float16_portable(source, target, n);
}
#elif defined(__aarch64__)  // converts in its base set
void to_float16(const float* source, uint16_t* target, int64_t n) {
  auto* halves = reinterpret_cast<__fp16*>(target);
  for (int64_t i = 0; i < n; ++i) halves[i] = static_cast<__fp16>(source[i]);
}

void from_float16(const uint16_t* source, float* target, int64_t n) {
  const auto* halves = reinterpret_cast<const __fp16*>(source);
  for (int64_t i = 0; i < n; ++i) target[i] = static_cast<float>(halves[i]);
}
#else
void to_float16(const float* source, uint16_t* target, int64_t n) {
  to_float16_portable(source, target, n);
}

void from_float16(const uint16_t* source, float* target, int64_t n) {
  from_float16_portable(source, target, n);
}
#endif

}  // namespace lemur
