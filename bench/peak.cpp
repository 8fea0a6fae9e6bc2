#include "bench/peak.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/peak.cpp"
#include <hwy/foreach_target.h>

#include "lemur/simd/dispatch.h"
#include "lemur/simd/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lemur::HWY_NAMESPACE {

// Twelve independent chains: more than any processor has multiply-adds under way (two a cycle, of
// four or five cycles each), and no more than the registers hold.
float chains(int64_t rounds) {
  const Tag<float> d;
  const auto factor = hn::Set(d, 0.5F), shift = hn::Set(d, 1.0F);
#define LEMUR_DECLARE(i) auto value##i = hn::Set(d, static_cast<float>(i));
#define LEMUR_ADD(i) value##i = hn::MulAdd(value##i, factor, shift);
#define LEMUR_SUM(i) total = hn::Add(total, value##i);
  LEMUR_REPEAT_12(LEMUR_DECLARE)
  for (int64_t round = 0; round < rounds; ++round) {
    LEMUR_REPEAT_12(LEMUR_ADD)
    LEMUR_REPEAT_12(LEMUR_ADD)
  }
  auto total = hn::Zero(d);
  LEMUR_REPEAT_12(LEMUR_SUM)
#undef LEMUR_DECLARE
#undef LEMUR_ADD
#undef LEMUR_SUM
  return sum_of<float>(total);
}

int64_t flops_of_round() { return 2 * 12 * 2 * lanes<float>(); }

}  // namespace lemur::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lemur {

HWY_EXPORT(chains);
HWY_EXPORT(flops_of_round);

float multiply_and_add(int64_t rounds) { return LEMUR_DISPATCH(chains)(rounds); }

int64_t peak_flops() { return LEMUR_DISPATCH(flops_of_round)(); }

}  // namespace lemur
#endif
