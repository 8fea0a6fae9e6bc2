#include "lemur/kernels/product.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

using torch::Tensor;

struct ProductCase {
  int64_t batch, m, k, n;  // batch 0: matrices
  bool turned, bias;       // B is a transposed weight
};

std::vector<Tensor> draw(const ProductCase& c, torch::Dtype type) {
  torch::manual_seed(5);
  auto random = [&](std::vector<int64_t> sizes) {
    if (c.batch > 0) sizes.insert(sizes.begin(), c.batch);
    return torch::randn(sizes, torch::kFloat64).to(type).set_requires_grad(true);
  };
  std::vector<Tensor> inputs = {random({c.m, c.k}),
                                c.turned ? random({c.n, c.k}) : random({c.k, c.n})};
  if (c.bias) inputs.push_back(random({c.n}));
  return inputs;
}

using Operation = std::function<Tensor(const Tensor&, const Tensor&, const Tensor&)>;

Tensor apply(const Operation& operation, const ProductCase& c, const std::vector<Tensor>& inputs) {
  return operation(inputs[0], c.turned ? inputs[1].transpose(-1, -2) : inputs[1],
                   c.bias ? inputs[2] : Tensor());
}

/// Result and gradients.
std::vector<Tensor> all_of(const Operation& operation, const ProductCase& c, torch::Dtype type) {
  const std::vector<Tensor> inputs = draw(c, type);
  const Tensor output = apply(operation, c, inputs);
  weighted_sum(output).backward();
  const std::vector<Tensor> before = draw(c, type);
  for (size_t i = 0; i < inputs.size(); ++i) EXPECT_TRUE(inputs[i].equal(before[i])) << i;
  std::vector<Tensor> all = {output.detach()};
  for (const Tensor& input : inputs) all.push_back(input.grad());
  return all;
}

const std::vector<ProductCase> kCases = {
    {0, 1, 1, 1, false, false},    {0, 1, 5, 7, true, true},       {0, 33, 17, 31, true, true},
    {0, 300, 70, 129, true, true}, {0, 5, 1100, 40, false, false}, {0, 5, 1100, 40, true, true},
    {3, 40, 16, 50, true, true},   {3, 7, 9, 11, false, true},     {0, 0, 5, 3, true, true},
    {0, 4, 5, 0, false, false},    {0, 4, 0, 5, false, true}};

TEST(Product, AgreesWithTheReference) {
  for (const ProductCase& c : kCases) {
    SCOPED_TRACE(fmt::format("{} x [{}, {}] [{}, {}]", c.batch, c.m, c.k, c.k, c.n));
    const auto found = all_of(product, c, torch::kFloat32),
               expected = all_of(product_reference, c, torch::kFloat64);
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << i;
      if (found[i].numel() == 0) continue;
      EXPECT_LT((found[i] - expected[i]).abs().max().item<double>(),
                1e-5 * expected[i].abs().max().item<double>() + 1e-6)
          << i;
    }
  }
}

TEST(Product, HasTheGradientsOfFiniteDifferences) {
  for (const ProductCase& c : kCases) {
    if (c.m * c.n == 0) continue;
    const std::vector<Tensor> inputs = draw(c, torch::kFloat64);
    EXPECT_LT(gradient_error([&] { return weighted_sum(apply(product, c, inputs)); }, inputs, 8),
              1e-7);
  }
}

TEST(Product, ReadsTensorsOfAnyStrides) {
  const Tensor a = torch::randn({6, 40, 3}).permute({2, 0, 1}),
               b = torch::randn({3, 1, 9}).expand({3, 40, 9});
  EXPECT_TRUE(torch::allclose(product(a, b), torch::matmul(a, b), 1e-4, 1e-5));
}

TEST(Product, GivesNoGradientToConstants) {
  const Tensor a = torch::randn({4, 5}).set_requires_grad(true), b = torch::randn({5, 6});
  product(a, b).sum().backward();
  EXPECT_TRUE(a.grad().defined());
  EXPECT_FALSE(b.grad().defined());
}

TEST(Product, NamesShapesThatDoNotFit) {
  EXPECT_EQ(message_of<InvalidArgument>([] {
              product(torch::ones({2, 3}), torch::ones({4, 5}));
            }),
            "[product] [2, 3] of Float times [4, 5] of Float");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              product(torch::ones({2, 3}), torch::ones({3, 5}), torch::ones({4}));
            }),
            "[product] a bias [4] for [2, 3] times [3, 5]");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              normalize(torch::ones({2, 3}), torch::ones({4}), torch::ones({4}));
            }),
            "[normalize] x is [2, 3], gain [4], bias [4]");
}

TEST(Normalize, AgreesWithLibTorch) {
  for (const std::vector<int64_t>& sizes :
       std::vector<std::vector<int64_t>>{{1, 1}, {5, 17}, {300, 32}, {3, 4, 33}, {0, 8}}) {
    torch::manual_seed(2);
    const int64_t width = sizes.back();
    std::vector<Tensor> inputs = {torch::randn(sizes), torch::randn({width}),
                                  torch::randn({width})};
    std::vector<std::vector<Tensor>> results;
    for (bool ours : {true, false}) {
      for (Tensor& input : inputs) input = input.detach().clone().set_requires_grad(true);
      const Tensor y = ours ? normalize(inputs[0], inputs[1], inputs[2])
                            : torch::layer_norm(inputs[0], {width}, inputs[1], inputs[2], 1e-5);
      weighted_sum(y).backward();
      results.push_back({y, inputs[0].grad(), inputs[1].grad(), inputs[2].grad()});
    }
    for (size_t i = 0; i < results[0].size(); ++i)
      EXPECT_TRUE(torch::allclose(results[0][i], results[1][i], 1e-4, 1e-4)) << i;
  }
}

TEST(Product, IsTheSameForAnyNumberOfThreads) {
  std::vector<std::vector<Tensor>> results;
  for (int threads : {1, 2, 3}) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    auto all = all_of(product, {3, 600, 70, 300, true, true}, torch::kFloat32);
    const Tensor x = torch::sin(torch::arange(70000)).view({-1, 35}).set_requires_grad(true),
                 gain = torch::ones({35}).set_requires_grad(true),
                 bias = torch::ones({35}).set_requires_grad(true);
    weighted_sum(normalize(x, gain, bias)).backward();
    all.insert(all.end(), {x.grad(), gain.grad(), bias.grad()});
    results.push_back(all);
    at::set_num_threads(before);
  }
  for (size_t i = 0; i < results[0].size(); ++i)
    for (size_t r : {1, 2}) EXPECT_TRUE(results[0][i].equal(results[r][i])) << i;
}

TEST(Product, ARowDoesNotDependOnTheOthers) {
  torch::manual_seed(9);
  const torch::Tensor a = torch::randn({300, 130}), b = torch::randn({130, 70}),
                      bias = torch::randn({70});
  const torch::Tensor together = product(a, b, bias);
  for (int64_t row : {0, 13, 255, 256, 299})
    EXPECT_TRUE(product(a.narrow(0, row, 1), b, bias).equal(together.narrow(0, row, 1)));
}

}  // namespace
}  // namespace lemur
