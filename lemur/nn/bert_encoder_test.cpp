#include "lemur/nn/bert_encoder.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/nn/module_check.h"

namespace lemur {
namespace {

using torch::Tensor;

const BertEncoderOptions kSmall{.vocabulary = 13,
                                .width = 12,
                                .layers = 2,
                                .heads = 3,
                                .ffn = 20,
                                .max_length = 33,
                                .fields = 2,
                                .output = 5};

/// Packed texts of the given lengths with random tokens and fields.
struct PackedTexts {
  Tensor tokens, positions, fields, offsets;

  explicit PackedTexts(const std::vector<int64_t>& lengths) {
    torch::manual_seed(2);
    const Tensor sizes = torch::tensor(lengths, torch::kInt64);
    offsets = torch::cat({torch::zeros({1}, torch::kInt64), sizes.cumsum(0)});
    std::vector<Tensor> ranges = {torch::empty({0}, torch::kInt64)};
    for (int64_t length : lengths) ranges.push_back(torch::arange(length));
    positions = torch::cat(ranges);
    tokens = torch::randint(0, kSmall.vocabulary, {positions.numel()}, torch::kInt64);
    fields = torch::randint(0, kSmall.fields, {positions.numel()}, torch::kInt64);
  }

  Tensor encode(BertEncoder& encoder) const { return encoder(tokens, positions, fields, offsets); }
};

TEST(BertEncoder, HasTheGradientOfFiniteDifferences) {
  BertEncoder encoder(kSmall);
  prepare_for_check(*encoder);
  const PackedTexts texts({1, 31, 32, 33, 4});
  expect_gradients(*encoder, [&] { return texts.encode(encoder); });
}

TEST(BertEncoder, EncodesEachTextAsIfAlone) {
  BertEncoder encoder(kSmall);
  prepare_for_check(*encoder);
  const std::vector<int64_t> lengths = {1, 31, 32, 33};
  const PackedTexts texts(lengths);
  const std::vector<Tensor> tokens = texts.tokens.split_with_sizes(lengths),
                            positions = texts.positions.split_with_sizes(lengths),
                            fields = texts.fields.split_with_sizes(lengths);
  const Tensor all = texts.encode(encoder);
  ASSERT_EQ(all.sizes(), torch::IntArrayRef({4, 5}));
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Tensor offsets = torch::tensor({int64_t{0}, lengths[i]}, torch::kInt64);
    const Tensor alone = encoder(tokens[i], positions[i], fields[i], offsets);
    EXPECT_LT((alone[0] - all[static_cast<int64_t>(i)]).abs().max().item<double>(), 1e-12);
  }
}

TEST(BertEncoder, FieldsChangeNothingBeforeTraining) {
  torch::manual_seed(1);
  BertEncoder encoder(kSmall);
  PackedTexts texts({9});
  const Tensor before = texts.encode(encoder);
  texts.fields = 1 - texts.fields;
  EXPECT_TRUE(torch::equal(before, texts.encode(encoder)));
  {
    torch::NoGradGuard no_grad;
    encoder->named_parameters()["field_embedding.weight"][0].add_(torch::randn({12}));
  }
  EXPECT_FALSE(torch::allclose(before, texts.encode(encoder), 1e-3, 1e-4));
}

TEST(BertEncoder, FrozenGivesTheSameAndAGradientToTheProjectionOnly) {
  torch::manual_seed(1);
  BertEncoder encoder(kSmall);
  const PackedTexts texts({3, 9});
  const Tensor free = texts.encode(encoder);
  encoder->freeze(true);
  const Tensor frozen = texts.encode(encoder);
  EXPECT_TRUE(torch::equal(free, frozen));
  weighted_sum(frozen).backward();
  for (const auto& item : encoder->named_parameters())
    EXPECT_EQ(item.value().grad().defined(), item.key().starts_with("output.")) << item.key();
  encoder->freeze(false);
  weighted_sum(texts.encode(encoder)).backward();
  for (const auto& item : encoder->named_parameters())
    EXPECT_TRUE(item.value().grad().defined()) << item.key();
}

TEST(BertEncoder, SharesAWordEmbeddingThatItsOwnerRegisters) {
  BertEncoder owner(kSmall);
  BertEncoder guest(kSmall, owner->word_embedding());
  EXPECT_TRUE(owner->named_parameters().contains("word_embedding.weight"));
  EXPECT_FALSE(guest->named_parameters().contains("word_embedding.weight"));
  weighted_sum(PackedTexts({4}).encode(guest)).backward();
  EXPECT_GT(owner->word_embedding()->weight.grad().abs().sum().item<double>(), 0);
  BertEncoderOptions wider = kSmall;
  wider.width = 24;
  expect_error<InvalidArgument>([&] { BertEncoder(wider, owner->word_embedding()); },
                                "13 x 12; expected 13 x 24");
}

TEST(BertEncoder, EncodesNoTexts) {
  BertEncoder encoder(kSmall);
  const Tensor none = PackedTexts({}).encode(encoder);
  EXPECT_EQ(none.sizes(), torch::IntArrayRef({0, 5}));
  none.sum().backward();
}

TEST(BertEncoder, NamesWhatIsWrong) {
  BertEncoderOptions options = kSmall;
  options.heads = 5;
  expect_error<InvalidArgument>([&] { BertEncoder{options}; },
                                "[BERT encoder] 5 heads do not divide the width 12");
  options.ffn = 0;
  expect_error<InvalidArgument>([&] { BertEncoder{options}; }, "ffn 0");
  BertEncoder encoder(kSmall);
  PackedTexts texts({4});
  texts.fields[1] = 2;
  expect_error<InvalidArgument>([&] { texts.encode(encoder); },
                                "field is 2 at element 1; expected 0 to 1");
  expect_error<InvalidArgument>([&] { PackedTexts({34}).encode(encoder); }, "position is 33");
  expect_error<InvalidArgument>(
      [&] {
        PackedTexts({2, 0}).encode(encoder);
      },
      "a text has no token");
}

}  // namespace
}  // namespace lemur
