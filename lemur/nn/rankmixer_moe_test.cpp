#include "lemur/nn/rankmixer_moe.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/base/testing.h"
#include "lemur/nn/module_check.h"

namespace lemur {
namespace {

using torch::Tensor;

const RankMixerMoeOptions kSmall{
    .mixer = {.input = 10, .tokens = 4, .width = 8, .layers = 2, .ffn_factor = 2, .dropout = 0},
    .experts = 3};

TEST(RankMixerMoe, HasTheGradientOfFiniteDifferencesUnderBothRouters) {
  RankMixerMoe mixer(kSmall);
  prepare_for_check(*mixer);
  const Tensor x = torch::randn({33, 10}, torch::kFloat64).set_requires_grad(true);
  expect_gradients(*mixer,
                   [&] {
                     const MixedByBoth both = mixer->forward_both(x);
                     return torch::cat({both.dense, both.sparse, both.activity.expand({1, 8})});
                   },
                   {x});
}

TEST(TokenExperts, EqualsItsFormula) {
  TokenExperts experts(kSmall);
  prepare_for_check(*experts);
  const auto p = experts->named_parameters();
  const Tensor x = torch::randn({4, 5, 8}, torch::kFloat64);
  const auto linear = [&](const Tensor& v, const std::string& name, int64_t i) {
    return torch::linear(v, p[name + ".weight"][i], p[name + ".bias"][i]);
  };
  for (const auto& [router, name] :
       {std::pair(Router::kDense, "dense_router"), std::pair(Router::kSparse, "sparse_router")}) {
    const Tensor found = experts(x, experts->gates(x, router), router);
    for (int64_t t = 0; t < 4; ++t) {
      const Tensor gates = torch::relu(linear(x[t], name, t));
      Tensor sum = torch::zeros({5, 8}, torch::kFloat64);
      for (int64_t e = 0; e < 3; ++e)
        sum += gates.narrow(1, e, 1) *
               linear(torch::gelu(linear(x[t], "ffn_input", 3 * t + e)), "ffn_output", 3 * t + e);
      EXPECT_LT((found[t] - sum).abs().max().item<double>(), 1e-12) << name << t;
    }
  }
}

TEST(TokenExperts, LeavesClosedExpertsOut) {
  TokenExperts experts(kSmall);
  prepare_for_check(*experts);
  auto p = experts->named_parameters();
  {
    torch::NoGradGuard no_grad;
    p["ffn_input.weight"][4].fill_(std::nan(""));  // expert 1 of token 1: must not be computed
    p["sparse_router.bias"][1][1] = -1e3;
  }
  const Tensor x = torch::randn({4, 9, 8}, torch::kFloat64);
  const Tensor gates = experts->gates(x, Router::kSparse);
  EXPECT_EQ(gates[1].select(1, 1).abs().max().item<double>(), 0);
  EXPECT_FALSE(experts(x, gates, Router::kSparse).isnan().any().item<bool>());
  EXPECT_TRUE(experts(x, gates, Router::kDense).isnan().any().item<bool>());
}

TEST(RankMixerMoe, ScoresByTheSparseRouterAlone) {
  RankMixerMoe mixer(kSmall);
  const Tensor x = torch::randn({6, 10});
  const Tensor before = mixer(x);
  EXPECT_TRUE(before.equal(mixer->forward_both(x).sparse));
  {
    torch::NoGradGuard no_grad;
    for (auto& item : mixer->named_parameters())
      if (item.key().find("dense_router") != std::string::npos) item.value().fill_(std::nan(""));
  }
  EXPECT_TRUE(before.equal(mixer(x)));
}

TEST(RankMixerMoe, ItsActivityIsTheMeanSumOfTheSparseGates) {
  RankMixerMoeOptions options = kSmall;
  options.mixer.layers = 2;
  RankMixerMoe mixer(options);
  {
    torch::NoGradGuard no_grad;
    for (auto& item : mixer->named_parameters()) {
      if (item.key().find("sparse_router.weight") != std::string::npos) item.value().zero_();
      if (item.key().find("block_0.experts.sparse_router.bias") != std::string::npos)
        item.value().fill_(0.5);  // three gates: 1.5
      if (item.key().find("block_1.experts.sparse_router.bias") != std::string::npos)
        item.value().fill_(-1);  // closed
    }
  }
  EXPECT_NEAR(mixer->forward_both(torch::randn({6, 10})).activity.item<double>(), 0.75, 1e-6);
}

TEST(RankMixerMoe, TakesNoSampleAndRefusesWrongSizes) {
  RankMixerMoe mixer(kSmall);
  EXPECT_EQ(mixer(torch::randn({0, 10})).sizes(), torch::IntArrayRef({0, 8}));
  expect_error<InvalidArgument>(
      [&] {
        mixer(torch::randn({2, 9}));
      },
      "[rankmixer_moe] features have shape 2 x 9; expected [B, 10]");
  RankMixerMoeOptions wrong = kSmall;
  wrong.experts = 0;
  expect_error<InvalidArgument>([&] { RankMixerMoe refused(wrong); }, "experts 0");
}

}  // namespace
}  // namespace lemur
