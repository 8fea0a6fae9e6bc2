#include "lemur/kernels/gelu.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

TEST(Gelu, EqualsLibTorchs) {
  torch::manual_seed(2);
  for (int64_t size : {0, 1, 31, 33, 40000}) {
    const torch::Tensor x = 3 * torch::randn({size});
    EXPECT_TRUE(torch::allclose(pointwise_gelu(x), torch::gelu(x), 1e-6, 1e-6));
    EXPECT_TRUE(pointwise_gelu(x.to(torch::kFloat64)).allclose(torch::gelu(x.to(torch::kFloat64))));
  }
  const torch::Tensor turned = torch::randn({7, 5}).t();
  EXPECT_TRUE(torch::allclose(pointwise_gelu(turned), torch::gelu(turned), 1e-6, 1e-6));
}

TEST(Gelu, HasTheGradientOfFiniteDifferences) {
  torch::manual_seed(3);
  const torch::Tensor x = torch::randn({7, 9}, torch::kFloat64).set_requires_grad(true);
  const torch::Tensor weights = torch::randn({7, 9}, torch::kFloat64);
  EXPECT_LT(gradient_error([&] { return (pointwise_gelu(x) * weights).sum(); }, {x}), 1e-6);
}

TEST(Gelu, AValueDoesNotDependOnItsPlace) {
  torch::manual_seed(4);
  const torch::Tensor x = torch::randn({1001}), whole = pointwise_gelu(x);
  for (int64_t first : {1, 7, 500})
    EXPECT_TRUE(pointwise_gelu(x.slice(0, first)).equal(whole.slice(0, first)));
}

}  // namespace
}  // namespace lemur
