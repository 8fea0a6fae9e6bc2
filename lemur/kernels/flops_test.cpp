#include "lemur/simd/flops.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "lemur/kernels/product.h"
#include "lemur/kernels/ragged_rows.h"

namespace lemur {
namespace {

/// Operations that `action` executes, by part.
template <typename Action>
Flops flops_of(const Action& action) {
  const Flops before = counted_flops();
  action();
  Flops after = counted_flops();
  for (size_t part = 0; part < kNumFlopParts; ++part) after[part] -= before[part];
  return after;
}

int64_t of(const Flops& flops, FlopPart part) { return flops[static_cast<size_t>(part)]; }

TEST(Flops, CountsAProductForwardAndBackwardForItsPart) {
  const torch::Tensor a = torch::randn({3, 4}).set_requires_grad(true),
                      b = torch::randn({4, 5}).set_requires_grad(true);
  torch::Tensor c;
  const Flops forward = flops_of([&] {
    const FlopScope scope(FlopPart::kRanker);
    c = product(a, b);
  });
  EXPECT_EQ(of(forward, FlopPart::kRanker), 2 * 3 * 4 * 5);
  EXPECT_EQ(of(forward, FlopPart::kOther), 0);
  EXPECT_EQ(current_flop_part(), FlopPart::kOther);
  const Flops backward = flops_of([&] { c.sum().backward(); });
  EXPECT_EQ(of(backward, FlopPart::kRanker), 2 * 2 * 3 * 4 * 5) << "for a and for b";
  EXPECT_EQ(of(backward, FlopPart::kOther), 0);
}

TEST(Flops, CountsWhatIsComputedOnly) {
  const torch::Tensor a = torch::randn({3, 4}), b = torch::randn({4, 5}).set_requires_grad(true);
  const torch::Tensor c = product(a, b);
  EXPECT_EQ(of(flops_of([&] { c.sum().backward(); }), FlopPart::kOther), 2 * 3 * 4 * 5)
      << "a needs no gradient";
}

TEST(Flops, DoesNotDependOnTheNumberOfThreads) {
  const torch::Tensor a = torch::randn({700, 300}), b = torch::randn({300, 500});
  const int before = at::get_num_threads();
  for (int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    EXPECT_EQ(of(flops_of([&] { product(a, b); }), FlopPart::kOther), int64_t{2} * 700 * 300 * 500);
  }
  at::set_num_threads(before);
}

TEST(Flops, KeepsTheCountsOfThreadsThatEnd) {
  const Flops counted = flops_of([] { std::thread([] { count_flops(7); }).join(); });
  EXPECT_EQ(of(counted, FlopPart::kOther), 7);
}

TEST(Flops, CountsDotsWithTheElementsThatAreThere) {
  const torch::Tensor vectors = torch::randn({2, 6}).set_requires_grad(true),
                      rows = torch::randn({3, 6}),
                      offsets = torch::tensor({0, 3, 5}, torch::kInt64),
                      index = torch::tensor({0, -1, 2, 1, 1}, torch::kInt64);
  torch::Tensor dots;
  const Flops forward = flops_of([&] { dots = ragged_dots(vectors, rows, offsets, index); });
  EXPECT_EQ(of(forward, FlopPart::kOther), 2 * 6 * 4);
  EXPECT_EQ(of(flops_of([&] { dots.sum().backward(); }), FlopPart::kHistories), 2 * 6 * 4);
}

}  // namespace
}  // namespace lemur
