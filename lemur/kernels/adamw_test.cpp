#include "lemur/kernels/adamw.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace lemur {
namespace {

constexpr int64_t kValues = 100003;  // several blocks, the last one odd
constexpr AdamWFactors kFactors = {
    .beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-6f, .step_size = 0.1f, .root = 2, .keep = 0.95f};

torch::Tensor updated(int threads) {
  const int before = at::get_num_threads();
  at::set_num_threads(threads);
  torch::manual_seed(1);
  const torch::Tensor gradient = torch::randn({kValues});
  torch::Tensor first = torch::randn({kValues}), second = torch::rand({kValues}),
                value = torch::randn({kValues});
  adamw_update(kFactors, kValues, gradient.data_ptr<float>(), first.data_ptr<float>(),
               second.data_ptr<float>(), value.data_ptr<float>());
  const double squares = sum_of_squares(kValues, gradient.data_ptr<float>());
  at::set_num_threads(before);
  return torch::cat({first, second, value, torch::tensor({static_cast<float>(squares)})});
}

TEST(AdamW, FollowsItsEquations) {
  const torch::Tensor found = updated(1);
  torch::manual_seed(1);
  const torch::Tensor g = torch::randn({kValues});
  torch::Tensor first = torch::randn({kValues}), second = torch::rand({kValues}),
                value = torch::randn({kValues});
  first = 0.9 * first + 0.1 * g;
  second = 0.99 * second + 0.01 * g * g;
  value = 0.95 * value - 0.1 * first / (2 * second.sqrt() + 1e-6);
  const torch::Tensor squares = g.to(torch::kFloat64).pow(2).sum().to(torch::kFloat32).reshape({1});
  EXPECT_TRUE(torch::allclose(found, torch::cat({first, second, value, squares}), 1e-5, 1e-6));
}

TEST(AdamW, IsTheSameForAnyNumberOfThreads) {
  const torch::Tensor one = updated(1);
  for (int threads : {2, 3, 7}) EXPECT_TRUE(one.equal(updated(threads))) << threads;
}

}  // namespace
}  // namespace lemur
