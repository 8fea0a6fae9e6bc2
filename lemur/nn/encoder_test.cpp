#include "lemur/nn/encoder.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/nn/module_check.h"
#include "lemur/nn/packed_texts_testing.h"

namespace lemur {
namespace {

using torch::Tensor;

const EncoderOptions kSmallEncoder{.vocabulary = kTestVocabulary,
                                   .width = 12,
                                   .layers = 2,
                                   .heads = 3,
                                   .ffn_factor = 2,
                                   .max_length = 33,
                                   .types = kTestTypes,
                                   .output = 5,
                                   .dropout = 0};

TEST(Encoder, HasTheGradientOfFiniteDifferences) {
  Encoder encoder(kSmallEncoder);
  prepare_for_check(*encoder);
  const RandomTexts texts({1, 31, 32, 33, 4});
  expect_gradients(*encoder, [&] { return texts.encode(encoder); });
}

/// Puts a patch of `width` random numbers into every third row but a text's first.
PackedPatches every_third(const RandomTexts& texts, int64_t width) {
  torch::Tensor rows = (texts.positions % 3 == 2).nonzero().flatten();
  return {torch::randn({rows.numel(), width}, torch::kFloat64), rows};
}

TEST(Encoder, HasTheGradientOfFiniteDifferencesWithImages) {
  EncoderOptions options = kSmallEncoder;
  options.patch_width = 10;
  options.patch_parts = 2;
  Encoder encoder(options);
  prepare_for_check(*encoder);
  const RandomTexts texts({1, 31, 32, 33, 4});
  const PackedPatches patches = every_third(texts, 10);
  patches.values.set_requires_grad(true);
  expect_gradients(
      *encoder,
      [&] { return encoder(texts.tokens, texts.positions, texts.types, texts.offsets, patches); },
      {patches.values});
}

TEST(Encoder, ReadsPatchesInPlaceOfTokens) {
  EncoderOptions options = kSmallEncoder;
  options.patch_width = 7;
  Encoder encoder(options);
  encoder->to(torch::kFloat64);
  RandomTexts texts({9});
  const PackedPatches patches = every_third(texts, 7);
  auto encode = [&](const PackedPatches& some) {
    return encoder(texts.tokens, texts.positions, texts.types, texts.offsets, some);
  };
  const Tensor before = encode(patches);
  EXPECT_FALSE(torch::allclose(before, encode({})));
  texts.tokens.index_fill_(0, patches.rows, 3);
  EXPECT_TRUE(torch::equal(before, encode(patches))) << "their tokens are not looked at";
  EXPECT_FALSE(torch::allclose(before, encode({patches.values + 1, patches.rows})));
  expect_error<InvalidArgument>(
      [&] {
        encode({patches.values.slice(1, 0, 6), patches.rows});
      },
      "expected rows of 7 numbers");
  expect_error<InvalidArgument>(
      [&] {
        encode({patches.values, patches.rows + 7});
      },
      "patch row is");
}

TEST(Encoder, BeginsWithPatchesAsTheSumOfTheirParts) {
  EncoderOptions options = kSmallEncoder;
  options.patch_width = 10;
  options.patch_parts = 2;
  Encoder encoder(options);
  encoder->to(torch::kFloat64);
  const RandomTexts texts({9});
  PackedPatches patches = every_third(texts, 10);
  auto encode = [&] {
    return encoder(texts.tokens, texts.positions, texts.types, texts.offsets, patches);
  };
  const Tensor before = encode();
  patches.values = patches.values.roll(5, 1);
  EXPECT_TRUE(torch::allclose(before, encode()));
  patches.values = patches.values.roll(1, 1);
  EXPECT_FALSE(torch::allclose(before, encode()));
  options.patch_parts = 3;
  expect_error<InvalidArgument>([&] { Encoder{options}; }, "3 parts do not divide a patch of 10");
}

TEST(Encoder, EncodesEachTextAsIfAlone) {
  torch::manual_seed(1);
  Encoder encoder(kSmallEncoder);
  encoder->to(torch::kFloat64);
  const RandomTexts texts({1, 31, 32, 33});
  const Tensor all = texts.encode(encoder);
  EXPECT_EQ(all.sizes(), torch::IntArrayRef({4, 5}));
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t begin = texts.offsets[i].item<int64_t>();
    const int64_t length = texts.offsets[i + 1].item<int64_t>() - begin;
    const auto slice = [&](const Tensor& x) { return x.narrow(0, begin, length); };
    const Tensor alone = encoder(slice(texts.tokens), slice(texts.positions), slice(texts.types),
                                 torch::tensor({int64_t{0}, length}, torch::kInt64));
    EXPECT_LT((alone[0] - all[i]).abs().max().item<double>(), 1e-12);
  }
}

TEST(Encoder, IsItsLayersOneAfterTheOther) {
  EncoderOptions options = kSmallEncoder;
  options.dropout = 1e-10;  // hits nothing, but is not left to packed_blocks
  Encoder encoder(options);
  encoder->to(torch::kFloat64);
  const RandomTexts texts({1, 31, 32, 33, 4});
  encoder->train();
  const Tensor composed = texts.encode(encoder);
  encoder->eval();
  EXPECT_TRUE(torch::allclose(texts.encode(encoder), composed, 1e-7, 1e-8));
}

TEST(EncoderLayer, GivesTheSameForAFewRowsAsForAll) {
  torch::manual_seed(1);
  EncoderLayer layer(kSmallEncoder);
  layer->to(torch::kFloat64);
  const Tensor x = torch::randn({7, 12}, torch::kFloat64);
  const Tensor offsets = torch::tensor({0, 3, 7}, torch::kInt64);
  const Tensor rows = torch::tensor({0, 3}, torch::kInt64);
  const Tensor few = layer(x, offsets, rows), all = layer(x, offsets);
  EXPECT_LT((few - all.index_select(0, rows)).abs().max().item<double>(), 1e-12);
}

TEST(EncoderLayer, GivesTheSameFused) {
  EncoderLayer layer(kSmallEncoder);
  prepare_for_check(*layer);
  const torch::Tensor x = torch::randn({36, kSmallEncoder.width}, torch::kFloat64),
                      offsets = torch::tensor({0, 3, 4, 36}, torch::kInt64),
                      rows = torch::tensor({0, 3, 4}, torch::kInt64);
  const DeviceTexts texts = texts_on_device(offsets, torch::kCPU);
  EXPECT_EQ(texts.longest, 32);
  for (const torch::Tensor& some : {torch::Tensor(), rows})
    EXPECT_LT(
        (layer->forward_fused(x, texts, some) - layer(x, offsets, some)).abs().max().item<double>(),
        1e-12);
}

TEST(Encoder, DependsOnOrderAndTypes) {
  torch::manual_seed(1);
  Encoder encoder(kSmallEncoder);
  const RandomTexts texts({9});
  const Tensor before = texts.encode(encoder);
  RandomTexts reversed = texts;
  reversed.positions = texts.positions.flip(0);
  EXPECT_FALSE(torch::allclose(before, reversed.encode(encoder), 1e-6, 1e-7));
  RandomTexts retyped = texts;
  retyped.types = 1 - texts.types;
  EXPECT_FALSE(torch::allclose(before, retyped.encode(encoder), 1e-6, 1e-7));
}

TEST(Encoder, SharesAWordEmbeddingThatItsOwnerRegisters) {
  Encoder owner(kSmallEncoder);
  Encoder guest(kSmallEncoder, owner->word_embedding());
  EXPECT_TRUE(owner->named_parameters().contains("word_embedding.weight"));
  EXPECT_FALSE(guest->named_parameters().contains("word_embedding.weight"));
  weighted_sum(RandomTexts({4}).encode(guest)).backward();
  EXPECT_GT(owner->word_embedding()->weight.grad().abs().sum().item<double>(), 0);
  EncoderOptions wider = kSmallEncoder;
  wider.width = 24;
  EXPECT_NE(message_of<InvalidArgument>([&] {
              Encoder(wider, owner->word_embedding());
            }).find("13 x 12; expected 13 x 24"),
            std::string::npos);
}

TEST(Encoder, EncodesNoTexts) {
  Encoder encoder(kSmallEncoder);
  const Tensor none = RandomTexts({}).encode(encoder);
  EXPECT_EQ(none.sizes(), torch::IntArrayRef({0, 5}));
  none.sum().backward();
}

TEST(Encoder, DropsOutInTrainingOnly) {
  EncoderOptions options = kSmallEncoder;
  options.dropout = 0.5;
  Encoder encoder(options);
  const RandomTexts texts({9});
  EXPECT_FALSE(torch::equal(texts.encode(encoder), texts.encode(encoder)));
  encoder->eval();
  EXPECT_TRUE(torch::equal(texts.encode(encoder), texts.encode(encoder)));
}

TEST(Encoder, NamesWhatIsWrong) {
  EncoderOptions options = kSmallEncoder;
  options.heads = 5;
  EXPECT_NE(message_of<InvalidArgument>([&] {
              Encoder{options};
            }).find("5 heads do not divide the width 12"),
            std::string::npos);
  options.vocabulary = 0;
  EXPECT_NE(message_of<InvalidArgument>([&] { Encoder{options}; }).find("vocabulary 0"),
            std::string::npos);
  Encoder encoder(kSmallEncoder);
  RandomTexts texts({4});
  texts.tokens[1] = 13;
  EXPECT_NE(message_of<InvalidArgument>([&] {
              texts.encode(encoder);
            }).find("token is 13 at element 1; expected 0 to 12"),
            std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>([&] {
              RandomTexts({34}).encode(encoder);
            }).find("position is 33"),
            std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>([&] {
              RandomTexts({2, 0}).encode(encoder);
            }).find("has no token"),
            std::string::npos);
}

}  // namespace
}  // namespace lemur
