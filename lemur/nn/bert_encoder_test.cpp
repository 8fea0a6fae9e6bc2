#include "lemur/nn/bert_encoder.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/nn/module_check.h"
#include "lemur/nn/packed_texts_testing.h"

namespace lemur {
namespace {

using torch::Tensor;

const BertEncoderOptions kSmall{.vocabulary = kTestVocabulary,
                                .width = 12,
                                .layers = 2,
                                .heads = 3,
                                .ffn = 20,
                                .max_length = 33,
                                .fields = kTestTypes,
                                .output = 5};

TEST(BertEncoder, HasTheGradientOfFiniteDifferences) {
  BertEncoder encoder(kSmall);
  prepare_for_check(*encoder);
  const RandomTexts texts({1, 31, 32, 33, 4});
  expect_gradients(*encoder, [&] { return texts.encode(encoder); });
}

TEST(BertEncoder, EncodesEachTextAsIfAlone) {
  BertEncoder encoder(kSmall);
  prepare_for_check(*encoder);
  const std::vector<int64_t> lengths = {1, 31, 32, 33};
  const RandomTexts texts(lengths);
  const std::vector<Tensor> tokens = texts.tokens.split_with_sizes(lengths),
                            positions = texts.positions.split_with_sizes(lengths),
                            fields = texts.types.split_with_sizes(lengths);
  const Tensor all = texts.encode(encoder);
  ASSERT_EQ(all.sizes(), torch::IntArrayRef({4, 5}));
  for (size_t i = 0; i < lengths.size(); ++i) {
    const Tensor offsets = torch::tensor({int64_t{0}, lengths[i]}, torch::kInt64);
    const Tensor alone = encoder(tokens[i], positions[i], fields[i], offsets);
    EXPECT_LT((alone[0] - all[static_cast<int64_t>(i)]).abs().max().item<double>(), 1e-12);
  }
}

TEST(BertEncoder, IsTheSameForAnyNumberOfThreads) {
  torch::manual_seed(2);
  BertEncoder encoder(kSmall);
  const RandomTexts texts(std::vector<int64_t>(60, 33));
  const int threads = at::get_num_threads();
  std::vector<Tensor> one;
  for (int count : {1, 2, 3, 5}) {
    at::set_num_threads(count);
    std::vector<Tensor> results = {texts.encode(encoder)};
    encoder->zero_grad();
    weighted_sum(results[0]).backward();
    for (const Tensor& parameter : encoder->parameters())
      results.push_back(parameter.grad().clone());
    if (one.empty()) one = results;
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_TRUE(torch::equal(one[i], results[i])) << count << " threads, tensor " << i;
  }
  at::set_num_threads(threads);
}

TEST(BertEncoder, FieldsChangeNothingBeforeTraining) {
  torch::manual_seed(1);
  BertEncoder encoder(kSmall);
  RandomTexts texts({9});
  const Tensor before = texts.encode(encoder);
  texts.types = 1 - texts.types;
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
  const RandomTexts texts({3, 9});
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
  weighted_sum(RandomTexts({4}).encode(guest)).backward();
  EXPECT_GT(owner->word_embedding()->weight.grad().abs().sum().item<double>(), 0);
  BertEncoderOptions wider = kSmall;
  wider.width = 24;
  expect_error<InvalidArgument>([&] { BertEncoder(wider, owner->word_embedding()); },
                                "13 x 12; expected 13 x 24");
}

TEST(BertEncoder, EncodesNoTexts) {
  BertEncoder encoder(kSmall);
  const Tensor none = RandomTexts({}).encode(encoder);
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
  RandomTexts texts({4});
  texts.types[1] = 2;
  expect_error<InvalidArgument>([&] { texts.encode(encoder); },
                                "field is 2 at element 1; expected 0 to 1");
  expect_error<InvalidArgument>([&] { RandomTexts({34}).encode(encoder); }, "position is 33");
  expect_error<InvalidArgument>([&] { RandomTexts({2, 0}).encode(encoder); }, "has no token");
}

}  // namespace
}  // namespace lemur
