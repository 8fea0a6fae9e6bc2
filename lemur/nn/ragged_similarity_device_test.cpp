// The CUDA kernels of the similarity module, run on the host, against the CPU's function.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/kernels/gradient_check.h"
#include "lemur/kernels/kernels_on_host_testing.h"
#include "lemur/kernels/ragged_device.h"
#include "lemur/nn/ragged_similarity.h"

namespace lemur {
namespace {

using torch::Tensor;

TEST(RaggedSimilarityOnDevice, AgreesWithTheCpu) {
  torch::manual_seed(12);
  const std::vector<int64_t> begin = {0, 0, 1, 32, 64, 97, 225, 482, 486};
  const int64_t total = begin.back();
  const Tensor offsets = torch::tensor(begin, torch::kInt64);
  const Tensor document = torch::randint(-1, 9, {total}, torch::kInt64);
  document.narrow(0, total - 4, 4).fill_(-1);
  // Many equal cosines: their order must not matter but for the gradient's place.
  const Tensor cosines = (torch::randint(-20, 21, {total}, torch::kFloat32) / 20).requires_grad_();
  for (int64_t k : {1, 31, 32, 33, 300}) {
    const auto all = [&](const auto& similarity) {
      const Tensor features = similarity(cosines, offsets, document, k);
      return std::pair(features, torch::autograd::grad({weighted_sum(features)}, {cosines})[0]);
    };
    const auto found = all(ragged_similarity_on_device), expected = all(ragged_similarity);
    EXPECT_LT((found.first - expected.first).abs().max().item<double>(), 1e-6) << k;
    EXPECT_LT((found.second - expected.second).abs().max().item<double>(), 1e-5) << k;
  }
}

TEST(RaggedSimilarityOnDevice, TakesNoSamples) {
  const Tensor none = torch::zeros({0});
  const Tensor features = ragged_similarity_on_device(none, torch::zeros({1}, torch::kInt64),
                                                      none.to(torch::kInt64), 4);
  EXPECT_EQ(features.sizes(), (std::vector<int64_t>{0, 11}));
}

}  // namespace
}  // namespace lemur
