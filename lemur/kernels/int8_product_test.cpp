#include "lemur/kernels/int8_product.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/base/testing.h"
#include "lemur/kernels/int8_vnni.h"
#include "lemur/simd/int8_rows.h"
#include "lemur/simd/path.h"

namespace lemur {
namespace {

using torch::Tensor;

/// Rounds rows of the last dimension to so many steps each way, as the product does.
Tensor rounded(const Tensor& x, int steps) {
  const Tensor scale = x.abs().amax(-1, /*keepdim=*/true) / steps;
  return torch::where(scale > 0, (x / scale).round() * scale, torch::zeros_like(x));
}

/// Rounds the rows that are multiplied, as the product does: with VNNI each way from zero, else
/// from the least number to the largest.
Tensor rounded_rows(const Tensor& x) {
  if (VnniWeights::are_supported()) return rounded(x, kInt8Steps);
  const Tensor least = x.amin(-1, /*keepdim=*/true),
               step = (x.amax(-1, /*keepdim=*/true) - least) / kInt8Steps;
  return least + torch::where(step > 0, ((x - least) / step).round() * step, torch::zeros_like(x));
}

TEST(Int8Weights, MultipliesWhatItRounds) {
  if (!Int8Weights::are_supported()) return;
  torch::manual_seed(1);
  for (int64_t m : {1, 31, 32, 33, 500}) {
    const Tensor weight = torch::randn({70, 45}), x = torch::randn({m, 45}),
                 bias = torch::randn({70});
    const Tensor expected =
        rounded_rows(x).matmul(rounded(weight, Int8Weights::weight_steps()).t());
    const Int8Weights int8(weight);
    EXPECT_TRUE(torch::allclose(int8.product(x, {}), expected, 1e-4, 1e-4)) << m;
    EXPECT_TRUE(torch::allclose(int8.product(x, bias), expected + bias, 1e-4, 1e-4)) << m;
  }
}

TEST(Int8Weights, MultipliesTokenByToken) {
  if (!Int8Weights::are_supported()) return;
  torch::manual_seed(2);
  const Tensor weight = torch::randn({3, 20, 16}), x = torch::randn({3, 50, 16}),
               bias = torch::randn({3, 20});
  const Tensor expected =
      rounded_rows(x).matmul(rounded(weight, Int8Weights::weight_steps()).transpose(1, 2)) +
      bias.unsqueeze(1);
  EXPECT_TRUE(torch::allclose(Int8Weights(weight).product(x, bias), expected, 1e-4, 1e-4));
}

TEST(Int8Weights, ARowDependsOnNothingElse) {
  if (!Int8Weights::are_supported()) return;
  torch::manual_seed(3);
  const Tensor weight = torch::randn({24, 33}), x = torch::randn({100, 33});
  const Int8Weights int8(weight);
  const Tensor together = int8.product(x, {});
  for (int64_t row : {0, 41, 99})
    EXPECT_TRUE(int8.product(x.narrow(0, row, 1), {}).equal(together.narrow(0, row, 1)));
}

TEST(Int8Weights, TakesZerosAndNothing) {
  if (!Int8Weights::are_supported()) return;
  const Int8Weights int8(torch::zeros({4, 6}));
  EXPECT_TRUE(int8.product(torch::zeros({3, 6}), torch::ones({4})).equal(torch::ones({3, 4})));
  EXPECT_EQ(int8.product(torch::zeros({0, 6}), {}).sizes(), (std::vector<int64_t>{0, 4}));
}

TEST(Int8Weights, AreRefusedOnAPathThatHasNoFasterOnes) {
  if (Int8Weights::are_supported()) return;
  EXPECT_NE(message_of<InvalidArgument>([] {
              Int8Weights(torch::zeros({4, 6}));
            }).find(simd::path()),
            std::string::npos);
}

TEST(Int8Weights, NamesWhatDoesNotFit) {
  if (!Int8Weights::are_supported()) return;
  EXPECT_THROW(Int8Weights(torch::zeros({4})), InvalidArgument);
  EXPECT_THROW(Int8Weights(torch::zeros({4, 6}, torch::kFloat64)), InvalidArgument);
  const Int8Weights int8(torch::zeros({4, 6}));
  EXPECT_THROW(int8.product(torch::zeros({3, 5}), {}), InvalidArgument);
  EXPECT_THROW(int8.product(torch::zeros({1, 3, 6}), torch::zeros({2})), InvalidArgument);
}

}  // namespace
}  // namespace lemur
