#include "lemur/nn/int8_layers.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/nn/mlp.h"
#include "lemur/nn/rankmixer.h"
#include "lemur/nn/rankmixer_moe.h"

namespace lemur {
namespace {

template <typename Module>
double relative_change(Module& module, const torch::Tensor& x) {
  torch::NoGradGuard no_grad;
  const torch::Tensor before = module(x);
  use_int8(*module);
  const torch::Tensor after = module(x);
  return ((after - before).norm() / before.norm()).template item<double>();
}

TEST(Int8Layers, ChangeAResultByALittle) {
  if (!Int8Weights::are_supported()) return;
  torch::manual_seed(1);
  RankMixer mixer(RankMixerOptions{.input = 100, .tokens = 4, .width = 32});
  Mlp mlp(MlpOptions{.input = 100, .widths = {64, 32}});
  RankMixerMoe experts(
      RankMixerMoeOptions{.mixer = {.input = 100, .tokens = 4, .width = 32}, .experts = 3});
  experts->eval();
  for (double change : {relative_change(mixer, torch::randn({50, 100})),
                        relative_change(experts, torch::randn({300, 100})),
                        relative_change(mlp, torch::randn({50, 100}))}) {
    EXPECT_GT(change, 0);
    EXPECT_LT(change, 0.03);
  }
}

}  // namespace
}  // namespace lemur
