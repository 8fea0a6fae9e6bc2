#include "lemur/train/dense_optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace lemur {
namespace {

torch::nn::Sequential make_module() {
  torch::manual_seed(3);
  return torch::nn::Sequential(torch::nn::Linear(5, 7),
                               torch::nn::LayerNorm(torch::nn::LayerNormOptions({7})),
                               torch::nn::Linear(7, 1));
}

TEST(DenseOptimizer, EqualsTorchsAdamWOnMatrices) {
  torch::nn::Sequential ours = make_module(), theirs = make_module();
  DenseOptimizer optimizer(*ours, {.weight_decay = 0.1}, [](const std::string&) { return 1.0; });
  std::vector<torch::Tensor> matrices, vectors;
  for (auto& parameter : theirs->parameters())
    (parameter.dim() > 1 ? matrices : vectors).push_back(parameter);
  torch::optim::AdamW decayed(matrices, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
  torch::optim::AdamW plain(vectors, torch::optim::AdamWOptions(0.01).weight_decay(0));
  for (int step = 0; step < 20; ++step) {
    torch::Tensor x = torch::randn({4, 5});
    optimizer.zero_grad();
    ours->forward(x).pow(2).sum().backward();
    optimizer.step(0.01);
    theirs->zero_grad();
    theirs->forward(x).pow(2).sum().backward();
    decayed.step();
    plain.step();
  }
  auto a = ours->parameters(), b = theirs->parameters();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::allclose(a[i], b[i], 1e-5, 1e-6)) << i;
}

TEST(DenseOptimizer, ClipsToTheGlobalNorm) {
  torch::nn::Sequential module = make_module();
  DenseOptimizer optimizer(*module, {}, [](const std::string&) { return 1.0; });
  (module->forward(torch::ones({4, 5})) * 1000).sum().backward();
  double before = optimizer.clip(0);
  EXPECT_GT(before, 100);
  EXPECT_NEAR(optimizer.clip(2), before, before * 1e-6) << "the norm before clipping";
  EXPECT_NEAR(optimizer.clip(0), 2, 1e-4);
}

TEST(DenseOptimizer, ScalesTheRateByName) {
  torch::nn::Sequential module = make_module();
  DenseOptimizer optimizer(*module, {.weight_decay = 0}, [](const std::string& name) {
    return name.starts_with("0.") ? 0.0 : 1.0;
  });
  torch::Tensor frozen = module->parameters()[0].clone(), free = module->parameters()[4].clone();
  module->forward(torch::randn({4, 5})).sum().backward();
  optimizer.step(0.1);
  EXPECT_TRUE(module->parameters()[0].equal(frozen));
  EXPECT_FALSE(module->parameters()[4].equal(free));
}

TEST(DenseOptimizer, FrozenParametersStayAndThenBeginAsNew) {
  torch::nn::Sequential held = make_module(), fresh = make_module();
  const auto rate = [](const std::string&) { return 1.0; };
  DenseOptimizer late(*held, {.weight_decay = 0.1, .average_decay = 0.9}, rate,
                      [](const std::string& name) { return name == "0.weight" ? 3 : -1; });
  DenseOptimizer now(*fresh, {.weight_decay = 0.1}, rate,
                     [](const std::string& name) { return name == "0.weight" ? 0 : -1; });
  const auto step = [](torch::nn::Sequential& module, DenseOptimizer& optimizer, int64_t seed) {
    torch::manual_seed(seed);
    optimizer.zero_grad();
    module->forward(torch::randn({4, 5})).pow(2).sum().backward();
    optimizer.step(0.1);
  };
  const std::vector<torch::Tensor> begin = make_module()->parameters();
  for (int64_t i = 0; i < 3; ++i) step(held, late, i);
  for (size_t i = 0; i < begin.size(); ++i) EXPECT_TRUE(held->parameters()[i].equal(begin[i])) << i;
  late.swap_average();
  EXPECT_TRUE(held->parameters()[0].equal(begin[0])) << "and so does their average";
  late.swap_average();
  for (int64_t i = 3; i < 8; ++i) step(held, late, i), step(fresh, now, i);
  EXPECT_FALSE(held->parameters()[0].equal(begin[0]));
  EXPECT_TRUE(held->parameters()[0].equal(fresh->parameters()[0]));
  for (size_t i = 1; i < begin.size(); ++i) EXPECT_TRUE(held->parameters()[i].equal(begin[i])) << i;
}

TEST(DenseOptimizer, OnlyPretrainedEncodersFreezeAndNotTheirProjection) {
  Options options;
  options.model.document_pretrained = "bert";
  options.train.freeze_encoder_steps = 7;
  EXPECT_EQ(frozen_steps_of(options, "document_encoder.word_embedding.weight"), 7);
  EXPECT_EQ(frozen_steps_of(options, "document_encoder.layer_0.attention_output.weight"), 7);
  EXPECT_EQ(frozen_steps_of(options, "document_encoder.output.weight"), 0);
  EXPECT_EQ(frozen_steps_of(options, "query_encoder.word_embedding.weight"), 0);
  EXPECT_EQ(frozen_steps_of(options, "head.weight"), 0);
}

TEST(DenseOptimizer, EncodersOfAnotherRunFreezeAsAWhole) {
  Options options;
  options.train.start_from = "run";
  options.train.freeze_encoder_steps = -1;
  EXPECT_EQ(frozen_steps_of(options, "document_encoder.output.weight"), -1);
  EXPECT_EQ(frozen_steps_of(options, "query_encoder.layer_0.qkv.weight"), -1);
  EXPECT_EQ(frozen_steps_of(options, "feed_anchor.weight"), 0);
}

TEST(DenseOptimizer, WordsAndEncodersMayHaveTheirOwnRates) {
  const std::string words = "document_encoder.word_embedding.weight",
                    layer = "query_encoder.layer_0.qkv.weight", head = "head.weight";
  auto rates = [&](const TrainOptions& options) {
    return std::vector{learning_rate_of(options, words), learning_rate_of(options, layer),
                       learning_rate_of(options, head)};
  };
  EXPECT_EQ(rates({.learning_rate = 1, .encoder_learning_rate = 0}),
            (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(rates({.learning_rate = 1, .encoder_learning_rate = 2}),
            (std::vector<double>{2, 2, 1}));
  EXPECT_EQ(rates({.learning_rate = 1, .encoder_learning_rate = 0, .word_learning_rate = 3}),
            (std::vector<double>{3, 1, 1}));
  EXPECT_EQ(rates({.learning_rate = 0, .encoder_learning_rate = 2, .word_learning_rate = 3}),
            (std::vector<double>{3, 2, 0}));
}

TEST(DenseOptimizer, AverageFollowsTheWeightsAndSwapsBack) {
  torch::nn::Sequential module = make_module();
  DenseOptimizer optimizer(*module, {.average_decay = 0.9}, [](const std::string&) { return 1.0; });
  std::vector<torch::Tensor> seen;
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    module->forward(torch::randn({4, 5})).sum().backward();
    optimizer.step(0.1);
    seen.push_back(module->parameters()[0].clone());
  }
  optimizer.swap_average();
  torch::Tensor average = module->parameters()[0].clone();
  EXPECT_FALSE(average.equal(seen.back()));
  // Decays of the first steps: 2/11, 3/12, 4/13.
  EXPECT_TRUE(torch::allclose(
      average,
      seen[2] * (9.0 / 13) +
          (4.0 / 13) * (seen[1] * 0.75 + 0.25 * (seen[0] * (9.0 / 11) +
                                                 make_module()->parameters()[0] * (2.0 / 11))),
      1e-4, 1e-5));
  optimizer.swap_average();
  EXPECT_TRUE(module->parameters()[0].equal(seen.back()));
}

}  // namespace
}  // namespace lemur
