#include "lemur/nn/recent_mean.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

RaggedHistory history(const std::vector<int64_t>& offsets, const std::vector<int64_t>& documents) {
  return {torch::tensor(offsets, torch::kInt64), torch::tensor(documents, torch::kInt64), {}, {}};
}

TEST(RecentMean, AveragesTheLastDocumentsThatAreThere) {
  torch::Tensor vectors = torch::tensor({{1.f, 10.f}, {2.f, 20.f}, {4.f, 40.f}});
  vectors.set_requires_grad(true);
  // Sample 0 is longer than 2, sample 1 is empty, sample 2 has only missing ones, sample 3 one.
  RecentMean recent =
      recent_mean(vectors, history({0, 4, 4, 6, 8}, {0, 1, -1, 2, -1, -1, 1, -1}), 2);
  EXPECT_TRUE(recent.mean.equal(torch::tensor({{3.f, 30.f}, {0.f, 0.f}, {0.f, 0.f}, {2.f, 20.f}})));
  EXPECT_TRUE(recent.exists.equal(torch::tensor({true, false, false, true})));
  EXPECT_FALSE(recent.mean.requires_grad());
}

TEST(RecentMean, TakesNoSamplesAndNoDocuments) {
  EXPECT_EQ(recent_mean(torch::zeros({0, 3}), history({0}, {}), 5).mean.sizes(),
            torch::IntArrayRef({0, 3}));
  RecentMean recent = recent_mean(torch::zeros({0, 3}), history({0, 0}, {}), 5);
  EXPECT_EQ(recent.mean.sizes(), torch::IntArrayRef({1, 3}));
  EXPECT_FALSE(recent.exists.any().item<bool>());
}

TEST(RecentMean, NamesWhatIsWrong) {
  expect_error<InvalidArgument>(
      [] {
        recent_mean(torch::zeros({2, 3}), history({0}, {}), 0);
      },
      "count is 0");
  expect_error<InvalidArgument>(
      [] {
        recent_mean(torch::zeros({2, 3}), history({0, 1}, {2}), 1);
      },
      "document is 2 at element 0");
}

}  // namespace
}  // namespace lemur
