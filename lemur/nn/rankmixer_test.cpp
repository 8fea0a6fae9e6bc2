#include "lemur/nn/rankmixer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/nn/mlp.h"
#include "lemur/nn/module_check.h"
#include "lemur/simd/flops.h"

namespace lemur {
namespace {

using torch::Tensor;

TEST(RankMixer, MixesByTheLiteralConcatenation) {
  torch::manual_seed(6);
  for (int64_t samples : {0, 1, 31, 32, 33}) {
    const int64_t tokens = 4, width = 12, head = width / tokens;
    const Tensor x = torch::randn({tokens, samples, width});
    const Tensor mixed = mix_tokens(x);
    ASSERT_EQ(mixed.sizes(), x.sizes());
    for (int64_t h = 0; h < tokens; ++h) {
      std::vector<Tensor> heads;
      for (int64_t t = 0; t < tokens; ++t) heads.push_back(x[t].narrow(1, h * head, head));
      EXPECT_TRUE(torch::equal(mixed[h], torch::cat(heads, 1)));
    }
  }
}

const RankMixerOptions kSmallMixer{
    .input = 10, .tokens = 4, .width = 8, .layers = 2, .ffn_factor = 2, .dropout = 0};

TEST(RankMixer, HasTheGradientOfFiniteDifferences) {
  RankMixer mixer(kSmallMixer);
  prepare_for_check(*mixer);
  const Tensor x = torch::randn({33, 10}, torch::kFloat64).set_requires_grad(true);
  expect_gradients(*mixer, [&] { return mixer(x); }, {x});
}

/// model.md 6, token by token.
TEST(RankMixer, EqualsItsFormula) {
  RankMixerOptions options = kSmallMixer;
  options.layers = 1;
  RankMixer mixer(options);
  prepare_for_check(*mixer);
  const auto p = mixer->named_parameters();
  const Tensor features = torch::randn({5, 10}, torch::kFloat64);
  const Tensor padded = torch::cat({features, torch::zeros({5, 2}, torch::kFloat64)}, 1);
  const auto norm = [&](const Tensor& v, const std::string& name) {
    return torch::layer_norm(v, {8}, p["block_0." + name + ".weight"],
                             p["block_0." + name + ".bias"]);
  };
  const auto linear = [&](const Tensor& v, const std::string& name, int64_t t) {
    return torch::linear(v, p[name + ".weight"][t], p[name + ".bias"][t]);
  };
  std::vector<Tensor> x;
  for (int64_t t = 0; t < 4; ++t) x.push_back(linear(padded.narrow(1, 3 * t, 3), "input", t));
  Tensor sum = torch::zeros({5, 8}, torch::kFloat64);
  for (int64_t t = 0; t < 4; ++t) {
    std::vector<Tensor> heads;
    for (int64_t u = 0; u < 4; ++u) heads.push_back(x[u].narrow(1, 2 * t, 2));
    const Tensor s = norm(torch::cat(heads, 1) + x[t], "mix_norm");
    const Tensor hidden = torch::gelu(linear(s, "block_0.ffn_input", t));
    sum += norm(linear(hidden, "block_0.ffn_output", t) + s, "ffn_norm");
  }
  EXPECT_LT((mixer(features) - sum / 4).abs().max().item<double>(), 1e-12);
}

/// The count of RankMixer's paper: about 4 k L T D^2 for a sample, beside making the tokens.
TEST(RankMixer, ExecutesTheOperationsOfItsFormula) {
  RankMixer mixer(kSmallMixer);
  const int64_t samples = 33, tokens = 4, width = 8, slice = 3, layers = 2, factor = 2;
  const int64_t of_tokens = 2 * tokens * slice * width,
                of_blocks = 4 * factor * layers * tokens * width * width;
  const auto all = [] {
    int64_t sum = 0;
    for (int64_t count : counted_flops()) sum += count;
    return sum;
  };
  const int64_t before = all();
  const Tensor mixed = mixer(torch::randn({samples, 10}).set_requires_grad(true));
  const int64_t forward = all();
  EXPECT_EQ(forward - before, samples * (of_tokens + of_blocks));
  mixed.sum().backward();
  EXPECT_EQ(all() - forward, 2 * samples * (of_tokens + of_blocks));
}

TEST(RankMixer, TakesAnyNumberOfSamplesAndFeatures) {
  for (int64_t input : {1, 31, 32, 33})
    for (int64_t samples : {0, 1, 3}) {
      RankMixerOptions options = kSmallMixer;
      options.input = input;
      RankMixer mixer(options);
      const Tensor output = mixer(torch::randn({samples, input}));
      EXPECT_EQ(output.sizes(), torch::IntArrayRef({samples, 8}));
    }
}

TEST(RankMixer, DropsOutInTrainingOnly) {
  RankMixerOptions options = kSmallMixer;
  options.dropout = 0.5;
  RankMixer mixer(options);
  const Tensor x = torch::randn({3, 10});
  EXPECT_FALSE(torch::equal(mixer(x), mixer(x)));
  mixer->eval();
  EXPECT_TRUE(torch::equal(mixer(x), mixer(x)));
}

TEST(RankMixer, NamesWhatIsWrong) {
  RankMixerOptions options = kSmallMixer;
  options.tokens = 3;
  EXPECT_NE(message_of<InvalidArgument>([&] {
              RankMixer{options};
            }).find("3 tokens do not divide the width 8"),
            std::string::npos);
  options.input = 0;
  EXPECT_NE(message_of<InvalidArgument>([&] { RankMixer{options}; }).find("input 0"),
            std::string::npos);
  RankMixer mixer(kSmallMixer);
  EXPECT_NE(message_of<InvalidArgument>([&] {
              mixer(torch::zeros({2, 9}));
            }).find("2 x 9; expected [B, 10]"),
            std::string::npos);
}

TEST(Mlp, HasTheGradientOfFiniteDifferences) {
  Mlp mlp(MlpOptions{.input = 6, .widths = {9, 5}});
  prepare_for_check(*mlp);
  const Tensor x = torch::randn({33, 6}, torch::kFloat64).set_requires_grad(true);
  expect_gradients(*mlp, [&] { return mlp(x); }, {x});
}

TEST(Mlp, IsATowerOfLinearLayersWithRelu) {
  torch::manual_seed(1);
  Mlp mlp(MlpOptions{.input = 6, .widths = {9, 5}});
  const auto p = mlp->named_parameters();
  const Tensor x = torch::randn({4, 6});
  const Tensor hidden = torch::relu(torch::linear(x, p["layer_0.weight"], p["layer_0.bias"]));
  const Tensor expected =
      torch::relu(torch::linear(hidden, p["layer_1.weight"], p["layer_1.bias"]));
  EXPECT_TRUE(torch::allclose(mlp(x), expected, 1e-6, 1e-6));
  Mlp identity(MlpOptions{.input = 6, .widths = {}});
  EXPECT_TRUE(torch::equal(identity(x), x));
  EXPECT_NE(message_of<InvalidArgument>([] {
              Mlp(MlpOptions{.input = 6, .widths = {0}});
            }).find("width is 0"),
            std::string::npos);
}

}  // namespace
}  // namespace lemur
