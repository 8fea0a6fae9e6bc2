#include "lemur/kernels/ragged_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"
#include "lemur/kernels/ragged_rows.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr int64_t kWidth = 20;  // no whole number of vectors

/// Histories of lengths 0, 1, 31, 32, 33, of which the last has missing documents only.
struct RaggedExample {
  Tensor query, keys, values, scores_gap, scores_action;
  RaggedElements elements;

  explicit RaggedExample(torch::Dtype type, int64_t documents = 11) {
    torch::manual_seed(3);
    const std::vector<int64_t> lengths = {0, 1, 31, 32, 33, 90, 4};
    std::vector<int64_t> begin = {0};
    for (int64_t length : lengths) begin.push_back(begin.back() + length);
    const int64_t samples = std::ssize(lengths), total = begin.back();
    const auto random = [&](int64_t rows, int64_t columns) {
      return torch::randn({rows, columns}, type).set_requires_grad(true);
    };
    query = random(samples, kWidth);
    keys = random(documents, kWidth);
    values = random(documents, kWidth);
    scores_gap = random(samples, 5);
    scores_action = random(samples, 2);
    elements = {
        torch::tensor(begin, torch::kInt64), torch::randint(-1, documents, {total}, torch::kInt64),
        torch::randint(0, 5, {total}, torch::kInt64), torch::randint(0, 2, {total}, torch::kInt64)};
    elements.document.narrow(0, total - 4, 4).fill_(-1);
  }

  RaggedAttended run() const {
    return ragged_attention(query, keys, values, scores_gap, scores_action, elements);
  }
  RaggedAttended reference() const {
    return ragged_attention_reference(query, keys, values, scores_gap, scores_action, elements);
  }
  std::vector<Tensor> inputs() const { return {query, keys, values, scores_gap, scores_action}; }
};

std::vector<Tensor> parts_of(const RaggedAttended& attended) {
  return {attended.documents, attended.gap, attended.action};
}

Tensor loss_of(const RaggedAttended& attended) {
  return weighted_sum(torch::cat(parts_of(attended), 1));
}

/// Outputs and gradients.
std::vector<Tensor> all_of(const RaggedExample& example, const RaggedAttended& attended) {
  std::vector<Tensor> all = parts_of(attended);
  for (const Tensor& gradient : torch::autograd::grad({loss_of(attended)}, example.inputs()))
    all.push_back(gradient);
  return all;
}

TEST(RaggedAttention, AgreesWithTheReference) {
  for (torch::Dtype type : {torch::kFloat32, torch::kFloat64}) {
    const double limit = type == torch::kFloat32 ? 2e-5 : 1e-13;
    const RaggedExample example(type);
    const auto found = all_of(example, example.run()),
               expected = all_of(example, example.reference());
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_LT((found[i] - expected[i]).abs().max().item<double>(), limit) << i;
  }
}

TEST(RaggedAttention, HasTheGradientOfFiniteDifferences) {
  const RaggedExample example(torch::kFloat64);
  EXPECT_LT(gradient_error([&] { return loss_of(example.run()); }, example.inputs()), 1e-6);
}

TEST(RaggedAttention, HasTheGradientOfOnePartAlone) {
  const RaggedExample example(torch::kFloat64);
  EXPECT_LT(gradient_error([&] { return weighted_sum(example.run().gap); },
                           {example.query, example.keys, example.scores_gap}),
            1e-6);
}

/// The attended value of model.md 5 with every element written out.
TEST(RaggedAttention, EqualsAttentionOverMaterialisedElements) {
  const RaggedExample example(torch::kFloat64);
  torch::NoGradGuard no_gradient;
  const auto options = torch::TensorOptions(torch::kFloat64);
  const Tensor gaps = torch::randn({5, kWidth}, options),
               actions = torch::randn({2, kWidth}, options);
  const RaggedElements& elements = example.elements;
  const RaggedAttended attended =
      ragged_attention(example.query, example.keys, example.keys, example.query.matmul(gaps.t()),
                       example.query.matmul(actions.t()), elements);
  const Tensor found =
      attended.documents + attended.gap.matmul(gaps) + attended.action.matmul(actions);
  for (int64_t b = 0; b < example.query.size(0); ++b) {
    Tensor rows = torch::zeros({0, kWidth}, options);
    for (int64_t m = elements.offsets[b].item<int64_t>();
         m < elements.offsets[b + 1].item<int64_t>(); ++m) {
      const int64_t document = elements.document[m].item<int64_t>();
      if (document < 0) continue;
      const Tensor row = example.keys[document] + gaps[elements.gap[m].item<int64_t>()] +
                         actions[elements.action[m].item<int64_t>()];
      rows = torch::cat({rows, row.unsqueeze(0)});
    }
    const Tensor expected = rows.matmul(example.query[b]).softmax(0).matmul(rows);
    EXPECT_LT((found[b] - expected).abs().max().item<double>(), 1e-13) << "sample " << b;
  }
}

TEST(RaggedAttention, GivesZerosWithoutPresentElements) {
  const RaggedAttended attended = RaggedExample(torch::kFloat32).run();
  for (int64_t b : {0, 6})
    for (const Tensor& part : parts_of(attended)) EXPECT_EQ(part[b].abs().sum().item<double>(), 0);
}

TEST(RaggedAttention, TakesIndicesOf32Bits) {
  RaggedExample example(torch::kFloat32);
  const Tensor expected = example.run().documents;
  example.elements.document = example.elements.document.to(torch::kInt32);
  EXPECT_TRUE(torch::equal(example.run().documents, expected));
}

TEST(RaggedAttention, ReadsColumnsOfWiderRows) {
  const RaggedExample example(torch::kFloat32);
  const Tensor wide = torch::randn({11, 3 * kWidth});
  const Tensor slice = wide.narrow(1, kWidth, kWidth);
  const auto run = [&](const Tensor& rows) {
    return ragged_attention(example.query, rows, rows, example.scores_gap, example.scores_action,
                            example.elements)
        .documents;
  };
  EXPECT_TRUE(torch::equal(run(slice), run(slice.contiguous())));
}

TEST(RaggedAttention, TakesNoSamplesAndNoDocuments) {
  const auto index = torch::empty({0}, torch::kInt64);
  const Tensor no_rows = torch::zeros({0, 4});
  const auto none =
      ragged_attention(no_rows, no_rows, no_rows, torch::zeros({0, 3}), torch::zeros({0, 2}),
                       {torch::zeros({1}, torch::kInt64), index, index, index});
  EXPECT_EQ(none.gap.size(0), 0);
  const auto empty = ragged_attention(torch::zeros({2, 4}), no_rows, no_rows, torch::zeros({2, 3}),
                                      torch::zeros({2, 2}),
                                      {torch::zeros({3}, torch::kInt64), index, index, index});
  EXPECT_EQ(empty.gap.abs().sum().item<double>(), 0);
}

TEST(RaggedAttention, IsTheSameForAnyNumberOfThreads) {
  const RaggedExample example(torch::kFloat32, 40);
  const int threads = at::get_num_threads();
  std::vector<std::vector<Tensor>> results;
  for (int count : {1, 2, 3}) {
    at::set_num_threads(count);
    results.push_back(all_of(example, example.run()));
  }
  at::set_num_threads(threads);
  for (size_t i = 0; i < results[0].size(); ++i)
    for (size_t r : {1, 2}) EXPECT_TRUE(torch::equal(results[0][i], results[r][i])) << i;
}

void expect_ragged_error(const RaggedExample& example, const std::string& part) {
  expect_error<InvalidArgument>([&] { example.run(); }, part);
}

TEST(RaggedAttention, NamesWhatIsWrong) {
  RaggedExample example(torch::kFloat32);
  example.elements.document[5] = 11;
  expect_ragged_error(example, "document is 11 at element 5; expected -1 to 10");
  example = RaggedExample(torch::kFloat32);
  example.elements.gap[0] = -1;
  expect_ragged_error(example, "gap is -1 at element 0; expected 0 to 4");
  example = RaggedExample(torch::kFloat32);
  example.elements.action = example.elements.action.slice(0, 1);
  expect_ragged_error(example, "action must be");
  example = RaggedExample(torch::kFloat32);
  example.elements.offsets = example.elements.offsets.slice(0, 1);
  expect_ragged_error(example, "7 offsets for 7 samples");
  example = RaggedExample(torch::kFloat32);
  example.scores_gap = torch::zeros({2, 5});
  expect_ragged_error(example, "2 x 5");
}

TEST(RaggedDots, AgreesWithTheReferenceAndFiniteDifferences) {
  for (torch::Dtype type : {torch::kFloat32, torch::kFloat64}) {
    const RaggedExample x(type);
    const std::vector<Tensor> inputs = {x.query, x.keys};
    const auto all = [&](const Tensor& dots) {
      std::vector<Tensor> result = torch::autograd::grad({weighted_sum(dots)}, inputs);
      result.push_back(dots);
      return result;
    };
    const auto& [offsets, document, gap, action] = x.elements;
    const auto found = all(ragged_dots(x.query, x.keys, offsets, document)),
               expected = all(ragged_dots_reference(x.query, x.keys, offsets, document));
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_LT((found[i] - expected[i]).abs().max().item<double>(),
                type == torch::kFloat32 ? 2e-5 : 1e-13);
  }
  const RaggedExample x(torch::kFloat64);
  EXPECT_LT(gradient_error(
                [&] {
                  return weighted_sum(
                      ragged_dots(x.query, x.keys, x.elements.offsets, x.elements.document));
                },
                {x.query, x.keys}),
            1e-7);
  expect_error<InvalidArgument>(
      [&] { ragged_dots(x.query, x.keys, x.elements.offsets, x.elements.document + 100); },
      "expected -1 to 10");
}

}  // namespace
}  // namespace lemur
