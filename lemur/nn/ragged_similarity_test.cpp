#include "lemur/nn/ragged_similarity.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

using torch::Tensor;

/// Histories of several lengths, a fifth of the elements missing.
struct SimilarityExample {
  Tensor cosines, offsets, document;

  explicit SimilarityExample(torch::Dtype type) {
    torch::manual_seed(9);
    const std::vector<int64_t> lengths = {0, 1, 31, 32, 33, 3, 12, 60, 5, 9};
    std::vector<int64_t> begin = {0};
    for (int64_t length : lengths) begin.push_back(begin.back() + length);
    offsets = torch::tensor(begin, torch::kInt64);
    cosines = (torch::rand({begin.back()}, type) * 2 - 1).set_requires_grad(true);
    document = torch::randint(0, 17, {begin.back()}, torch::kInt64);
    document.masked_fill_(torch::rand({begin.back()}) < 0.2, -1);
    document.narrow(0, begin[5], 3).fill_(-1);
  }
};

TEST(RaggedSimilarity, ListsRecentThenLargestThenStatistics) {
  const Tensor cosines = torch::tensor({0.75, 0.5, 9.0, -0.25, 0.5}, torch::kFloat64);
  const Tensor offsets = torch::tensor({0, 5}, torch::kInt64);
  const Tensor document = torch::tensor({2, 0, -1, 1, 0}, torch::kInt64);  // oldest first
  const Tensor expected = torch::tensor(
      {0.5, -0.25, 0.5, 0.75, 0.5, 0.5, std::log(5.0) / 8, 1.5 / 4, 0.75}, torch::kFloat64);
  EXPECT_TRUE(
      torch::allclose(ragged_similarity(cosines, offsets, document, 3)[0], expected, 1e-12));
  const Tensor padded = ragged_similarity(cosines, offsets, document, 5)[0];
  EXPECT_EQ(padded[4].item<double>(), 0);
  EXPECT_EQ(padded[8].item<double>(), -0.25);
  EXPECT_EQ(padded[9].item<double>(), 0);
}

TEST(RaggedSimilarity, AgreesWithTheReference) {
  for (torch::Dtype type : {torch::kFloat32, torch::kFloat64})
    for (int64_t k : {1, 31, 32, 33}) {
      const SimilarityExample x(type);
      const Tensor found = ragged_similarity(x.cosines, x.offsets, x.document, k);
      const Tensor expected = ragged_similarity_reference(x.cosines, x.offsets, x.document, k);
      EXPECT_EQ(found.size(1), ragged_similarity_width(k));
      EXPECT_LT((found - expected).abs().max().item<double>(), 1e-6);
      const Tensor gradient = torch::autograd::grad({weighted_sum(found)}, {x.cosines})[0];
      const Tensor reference = torch::autograd::grad({weighted_sum(expected)}, {x.cosines})[0];
      EXPECT_EQ(found.scalar_type(), type);
      EXPECT_LT((gradient - reference).abs().max().item<double>(), 1e-5);
    }
}

TEST(RaggedSimilarity, FindsTheLargestOfManyEqualOnesInTheirOrder) {
  torch::manual_seed(4);
  for (int64_t length : {16, 17, 400, 1000}) {  // 4 k and more: not all of them are sorted
    const Tensor cosines = torch::randint(0, 30, {length}, torch::kFloat64).set_requires_grad(true),
                 offsets = torch::tensor({int64_t{0}, length}, torch::kInt64);
    const Tensor found = ragged_similarity(cosines, offsets, {}, 4);
    EXPECT_TRUE(torch::allclose(found, ragged_similarity_reference(cosines, offsets, {}, 4)));
    // The first of those that are equal takes the gradient.
    const Tensor stable = std::get<1>(cosines.sort(/*stable=*/true, -1, /*descending=*/true));
    const Tensor gradient = torch::autograd::grad({found[0].narrow(0, 4, 4).sum()}, {cosines})[0];
    EXPECT_TRUE(gradient.nonzero().flatten().equal(std::get<0>(stable.narrow(0, 0, 4).sort())))
        << length;
  }
}

TEST(RaggedSimilarity, HasTheGradientOfFiniteDifferences) {
  const SimilarityExample x(torch::kFloat64);
  for (int64_t k : {1, 8, 64})
    EXPECT_LT(
        gradient_error(
            [&] { return weighted_sum(ragged_similarity(x.cosines, x.offsets, x.document, k)); },
            {x.cosines}, 1000),
        1e-6);
}

TEST(RaggedSimilarity, IsZeroWithoutDocuments) {
  const SimilarityExample x(torch::kFloat32);
  const Tensor features = ragged_similarity(x.cosines, x.offsets, x.document, 4);
  for (int64_t b : {0, 5}) EXPECT_EQ(features[b].abs().sum().item<double>(), 0);
  const auto none = torch::empty({0}, torch::kInt64);
  EXPECT_EQ(ragged_similarity(torch::zeros({0}), torch::zeros({1}, torch::kInt64), none, 4).sizes(),
            torch::IntArrayRef({0, 11}));
}

TEST(RaggedSimilarity, IsTheSameForAnyNumberOfThreads) {
  const SimilarityExample x(torch::kFloat32);
  const auto run = [&] {
    const Tensor output = ragged_similarity(x.cosines, x.offsets, x.document, 8);
    return std::pair(output.detach(),
                     torch::autograd::grad({weighted_sum(output)}, {x.cosines})[0]);
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = run();
  at::set_num_threads(2);
  const auto two = run();
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(one.first, two.first));
  EXPECT_TRUE(torch::equal(one.second, two.second));
}

TEST(RaggedSimilarity, NamesWhatIsWrong) {
  const SimilarityExample x(torch::kFloat32);
  const auto expect_error = [&](const Tensor& offsets, const Tensor& document, int64_t k,
                                const std::string& part) {
    lemur::expect_error<InvalidArgument>(
        [&] { ragged_similarity(x.cosines, offsets, document, k); }, part);
  };
  expect_error(x.offsets, x.document, 0, "k is 0");
  expect_error(x.offsets, x.document.slice(0, 1), 4, "cosines of shape [186] for 185 elements");
  expect_error(x.offsets.slice(0, 2), x.document, 4, "offsets go from 1");
}

TEST(RaggedSimilarity, NoListOfDocumentsMeansNoneIsMissing) {
  torch::manual_seed(3);
  const torch::Tensor cosines = torch::randn({40}, torch::kFloat64).set_requires_grad(true),
                      offsets = torch::tensor({0, 0, 33, 40}, torch::kInt64);
  const torch::Tensor listed =
      ragged_similarity(cosines, offsets, torch::zeros({40}, torch::kInt64), 4);
  const torch::Tensor unlisted = ragged_similarity(cosines, offsets, {}, 4);
  EXPECT_TRUE(unlisted.equal(listed));
  EXPECT_TRUE(ragged_similarity_reference(cosines, offsets, {}, 4).allclose(listed));
  const auto gradient = [&](const torch::Tensor& features) {
    return torch::autograd::grad({features.square().sum()}, {cosines})[0];
  };
  EXPECT_TRUE(gradient(unlisted).equal(gradient(listed)));
}

}  // namespace
}  // namespace lemur
