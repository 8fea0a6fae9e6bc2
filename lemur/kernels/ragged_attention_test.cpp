#include "lemur/kernels/ragged_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

using torch::Tensor;

/// Histories of lengths 0, 1, 31, 32, 33, of which the last has missing documents only.
struct Example {
  Tensor scores_document, scores_gap, scores_action, offsets, document, gap, action;

  explicit Example(torch::Dtype type, int64_t columns = 11) {
    torch::manual_seed(3);
    const std::vector<int64_t> lengths = {0, 1, 31, 32, 33, 90, 4};
    std::vector<int64_t> begin = {0};
    for (int64_t length : lengths) begin.push_back(begin.back() + length);
    offsets = torch::tensor(begin, torch::kInt64);
    const int64_t samples = std::ssize(lengths), total = begin.back();
    scores_document = torch::randn({samples, columns}, type).set_requires_grad(true);
    scores_gap = torch::randn({samples, 5}, type).set_requires_grad(true);
    scores_action = torch::randn({samples, 2}, type).set_requires_grad(true);
    document = torch::randint(-1, columns, {total}, torch::kInt64);
    document.narrow(0, total - 4, 4).fill_(-1);
    gap = torch::randint(0, 5, {total}, torch::kInt64);
    action = torch::randint(0, 2, {total}, torch::kInt64);
  }

  RaggedWeights run() const {
    return ragged_attention(scores_document, scores_gap, scores_action, offsets, document, gap,
                            action);
  }
  RaggedWeights reference() const {
    return ragged_attention_reference(scores_document, scores_gap, scores_action, offsets, document,
                                      gap, action);
  }
  std::vector<Tensor> scores() const { return {scores_document, scores_gap, scores_action}; }
};

Tensor loss_of(const RaggedWeights& weights) {
  return weighted_sum(torch::cat({weights.document, weights.gap, weights.action}, 1));
}

std::vector<Tensor> gradients(const Example& example, const RaggedWeights& weights) {
  return torch::autograd::grad({loss_of(weights)}, example.scores());
}

TEST(RaggedAttention, AgreesWithTheReference) {
  for (torch::Dtype type : {torch::kFloat32, torch::kFloat64}) {
    const double limit = type == torch::kFloat32 ? 2e-6 : 1e-14;
    const Example example(type);
    const RaggedWeights found = example.run(), expected = example.reference();
    EXPECT_LT((found.document - expected.document).abs().max().item<double>(), limit);
    EXPECT_LT((found.gap - expected.gap).abs().max().item<double>(), limit);
    EXPECT_LT((found.action - expected.action).abs().max().item<double>(), limit);
    const auto found_gradients = gradients(example, found);
    const auto expected_gradients = gradients(example, expected);
    for (size_t part = 0; part < 3; ++part)
      EXPECT_LT((found_gradients[part] - expected_gradients[part]).abs().max().item<double>(),
                limit);
  }
}

TEST(RaggedAttention, HasTheGradientOfFiniteDifferences) {
  const Example example(torch::kFloat64);
  EXPECT_LT(gradient_error([&] { return loss_of(example.run()); }, example.scores()), 1e-6);
}

TEST(RaggedAttention, HasTheGradientOfOnePartAlone) {
  const Example example(torch::kFloat64);
  EXPECT_LT(gradient_error([&] { return weighted_sum(example.run().gap); }, example.scores()),
            1e-6);
}

/// The attended value of model.md 5 with every element written out.
TEST(RaggedAttention, EqualsAttentionOverMaterialisedElements) {
  const Example example(torch::kFloat64);
  const int64_t samples = example.offsets.numel() - 1, r = 6;
  const auto options = torch::TensorOptions(torch::kFloat64);
  const Tensor query = torch::randn({samples, r}, options);
  const Tensor documents = torch::randn({11, r}, options), gaps = torch::randn({5, r}, options),
               actions = torch::randn({2, r}, options);
  const RaggedWeights weights = ragged_attention(
      query.matmul(documents.t()), query.matmul(gaps.t()), query.matmul(actions.t()),
      example.offsets, example.document, example.gap, example.action);
  const Tensor found = weights.document.matmul(documents) + weights.gap.matmul(gaps) +
                       weights.action.matmul(actions);
  for (int64_t b = 0; b < samples; ++b) {
    Tensor elements = torch::zeros({0, r}, options);
    for (int64_t m = example.offsets[b].item<int64_t>(); m < example.offsets[b + 1].item<int64_t>();
         ++m) {
      const int64_t document = example.document[m].item<int64_t>();
      if (document < 0) continue;
      const Tensor element = documents[document] + gaps[example.gap[m].item<int64_t>()] +
                             actions[example.action[m].item<int64_t>()];
      elements = torch::cat({elements, element.unsqueeze(0)});
    }
    const Tensor expected = elements.matmul(query[b]).softmax(0).matmul(elements);
    EXPECT_LT((found[b] - expected).abs().max().item<double>(), 1e-13) << "sample " << b;
  }
}

TEST(RaggedAttention, GivesZerosWithoutPresentElements) {
  const RaggedWeights weights = Example(torch::kFloat32).run();
  for (int64_t b : {0, 6})
    for (const Tensor& part : {weights.document, weights.gap, weights.action})
      EXPECT_EQ(part[b].abs().sum().item<double>(), 0);
}

TEST(RaggedAttention, TakesIndicesOf32Bits) {
  Example example(torch::kFloat32);
  const Tensor expected = example.run().document;
  example.document = example.document.to(torch::kInt32);
  EXPECT_TRUE(torch::equal(example.run().document, expected));
}

TEST(RaggedAttention, TakesNoSamplesAndNoDocuments) {
  const auto index = torch::empty({0}, torch::kInt64);
  const auto none =
      ragged_attention(torch::zeros({0, 0}), torch::zeros({0, 3}), torch::zeros({0, 2}),
                       torch::zeros({1}, torch::kInt64), index, index, index);
  EXPECT_EQ(none.gap.size(0), 0);
  const auto empty =
      ragged_attention(torch::zeros({2, 0}), torch::zeros({2, 3}), torch::zeros({2, 2}),
                       torch::zeros({3}, torch::kInt64), index, index, index);
  EXPECT_EQ(empty.gap.abs().sum().item<double>(), 0);
}

TEST(RaggedAttention, IsTheSameForAnyNumberOfThreads) {
  const Example example(torch::kFloat32, 40);
  Example wide = example;
  const int64_t copies = 12;
  const int64_t total = example.document.numel();
  std::vector<Tensor> offsets = {torch::zeros({1}, torch::kInt64)};
  for (int64_t copy = 0; copy < copies; ++copy)
    offsets.push_back(example.offsets.slice(0, 1) + copy * total);
  wide.offsets = torch::cat(offsets);
  for (auto part : {&Example::document, &Example::gap, &Example::action})
    wide.*part = (example.*part).repeat({copies});
  for (auto part : {&Example::scores_document, &Example::scores_gap, &Example::scores_action})
    wide.*part = torch::randn_like((example.*part).repeat({copies, 1})).set_requires_grad(true);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = wide.run();
  const auto one_gradients = gradients(wide, one);
  at::set_num_threads(2);
  const auto two = wide.run();
  const auto two_gradients = gradients(wide, two);
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(one.document, two.document));
  EXPECT_TRUE(torch::equal(one.gap, two.gap));
  EXPECT_TRUE(torch::equal(one.action, two.action));
  for (size_t part = 0; part < 3; ++part)
    EXPECT_TRUE(torch::equal(one_gradients[part], two_gradients[part]));
}

void expect_error(const Example& example, const std::string& part) {
  lemur::expect_error<InvalidArgument>([&] { example.run(); }, part);
}

TEST(RaggedAttention, NamesWhatIsWrong) {
  Example example(torch::kFloat32);
  example.document[5] = 11;
  expect_error(example, "document is 11 at element 5; expected -1 to 10");
  example = Example(torch::kFloat32);
  example.gap[0] = -1;
  expect_error(example, "gap is -1 at element 0; expected 0 to 4");
  example = Example(torch::kFloat32);
  example.action = example.action.slice(0, 1);
  expect_error(example, "action must be");
  example = Example(torch::kFloat32);
  example.offsets = example.offsets.slice(0, 1);
  expect_error(example, "7 offsets for 7 samples");
  example = Example(torch::kFloat32);
  example.scores_gap = torch::zeros({2, 5});
  expect_error(example, "2 x 5");
}

}  // namespace
}  // namespace lemur
