#include "lemur/kernels/rankmixer_block.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/kernels/gelu.h"
#include "lemur/kernels/product.h"

namespace lemur {
namespace {

using torch::Tensor;

RankMixerBlockWeights weights_of(int64_t tokens, int64_t width, int64_t hidden) {
  return {{torch::rand({width}) + 0.5, torch::randn({width})},
          {torch::randn({tokens, hidden, width}), torch::randn({tokens, hidden})},
          {torch::randn({tokens, width, hidden}), torch::randn({tokens, width})},
          {torch::rand({width}) + 0.5, torch::randn({width})}};
}

/// The block by single operations; with 8 bits where the weights have them.
Tensor composed(const Tensor& x, const RankMixerBlockWeights& weights) {
  const auto linear = [](const TokenLinearWeights& one, const Tensor& rows) {
    return one.int8 ? one.int8->product(rows, one.bias)
                    : product(rows, one.weight.transpose(1, 2), one.bias);
  };
  const int64_t tokens = x.size(0), samples = x.size(1), width = x.size(2);
  const Tensor mixed = x.view({tokens, samples, tokens, width / tokens})
                           .permute({2, 1, 0, 3})
                           .reshape({tokens, samples, width});
  const Tensor s = normalize(mixed + x, weights.mix_norm.gain, weights.mix_norm.bias);
  const Tensor ffn = linear(weights.ffn_output, pointwise_gelu(linear(weights.ffn_input, s)));
  return normalize(ffn + s, weights.ffn_norm.gain, weights.ffn_norm.bias);
}

TEST(RankMixerBlock, EqualsItsOperationsBitForBit) {
  torch::manual_seed(1);
  for (int64_t samples : {0, 1, 3, 127, 128, 129, 300})
    for (int64_t hidden : {20, 512, 700}) {
      const RankMixerBlockWeights weights = weights_of(4, 16, hidden);
      const Tensor x = torch::randn({4, samples, 16});
      EXPECT_TRUE(rankmixer_block(x, weights).equal(composed(x, weights)))
          << samples << " rows, hidden " << hidden;
    }
}

TEST(RankMixerBlock, EqualsItsOperationsInInt8) {
  if (!Int8Weights::are_supported()) return;
  torch::manual_seed(2);
  for (int64_t samples : {1, 129, 300}) {
    RankMixerBlockWeights weights = weights_of(3, 48, 100);
    const Int8Weights input(weights.ffn_input.weight), output(weights.ffn_output.weight);
    weights.ffn_input.int8 = &input, weights.ffn_output.int8 = &output;
    const Tensor x = torch::randn({3, samples, 48});
    EXPECT_TRUE(rankmixer_block(x, weights).equal(composed(x, weights))) << samples;
  }
}

TEST(RankMixerBlock, NamesWhatDoesNotFit) {
  RankMixerBlockWeights weights = weights_of(4, 16, 20);
  EXPECT_THROW(rankmixer_block(torch::zeros({2, 5, 16}), weights), InvalidArgument);
  EXPECT_THROW(rankmixer_block(torch::zeros({4, 5, 15}), weights), InvalidArgument);
  EXPECT_THROW(rankmixer_block(torch::zeros({4, 5, 16}, torch::kFloat64), weights),
               InvalidArgument);
  weights.ffn_output.bias = torch::zeros({4, 15});
  EXPECT_THROW(rankmixer_block(torch::zeros({4, 5, 16}), weights), InvalidArgument);
}

}  // namespace
}  // namespace lemur
