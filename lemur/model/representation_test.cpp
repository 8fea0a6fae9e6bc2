#include "lemur/model/representation.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace lemur {
namespace {

TEST(Representation, OfOrthogonalVectorsIsSpreadOut) {
  const auto health = *measure_representations(torch::eye(16) * 3);
  EXPECT_EQ(health.documents, 16);
  EXPECT_NEAR(health.mean_cosine, 0, 1e-12);
  EXPECT_NEAR(health.effective_rank, 15, 1e-6);  // one direction goes with the centre
  EXPECT_NEAR(health.uniformity, -4, 1e-9);      // squared distances are 2
}

TEST(Representation, IsAPlainLoop) {
  torch::manual_seed(3);
  const torch::Tensor rows = torch::randn({30, 5}) + torch::tensor({2., 0., 0., 0., 0.});
  double cosines = 0, near = 0;
  for (int64_t i = 0; i < 30; ++i)
    for (int64_t j = 0; j < 30; ++j) {
      if (i == j) continue;
      const double cosine = torch::cosine_similarity(rows[i], rows[j], 0).item<double>();
      cosines += cosine;
      near += std::exp(-2 * (2 - 2 * cosine));
    }
  const auto health = *measure_representations(rows);
  EXPECT_NEAR(health.mean_cosine, cosines / 870, 1e-6);
  EXPECT_NEAR(health.uniformity, std::log(near / 870), 1e-6);
  EXPECT_GT(health.effective_rank, 3);
  EXPECT_LT(health.effective_rank, 5);
}

TEST(Representation, OfOneDirectionHasCollapsed) {
  const torch::Tensor one = torch::ones({200, 1}) * torch::randn({1, 64});
  for (const torch::Tensor& rows : {one, one + 1e-3 * torch::randn({200, 64})}) {
    const auto health = *measure_representations(rows);
    EXPECT_GT(health.mean_cosine, 0.99);
    EXPECT_NE(collapse_warning(health, 64).find("do not tell documents apart"), std::string::npos);
  }
  const auto spread = *measure_representations(torch::randn({200, 64}));
  EXPECT_EQ(collapse_warning(spread, 64), "");
  EXPECT_GT(spread.effective_rank, 45);
}

TEST(Representation, LeavesOutEmptyRowsAndSmallBanks) {
  EXPECT_FALSE(measure_representations(torch::zeros({5, 3})));
  EXPECT_FALSE(measure_representations(torch::ones({1, 3})));
  torch::Tensor rows = torch::randn({20, 3});
  const auto all = *measure_representations(rows);
  const auto with_empty = *measure_representations(
      torch::cat({rows.slice(0, 0, 7), torch::zeros({4, 3}), rows.slice(0, 7)}));
  EXPECT_EQ(with_empty.documents, 20);
  EXPECT_DOUBLE_EQ(with_empty.effective_rank, all.effective_rank);
  EXPECT_EQ(collapse_warning(*measure_representations(torch::ones({20, 3})), 3), "")
      << "too few to tell";

  MemoryBank bank(3);
  EXPECT_FALSE(measure_bank(bank));
  std::vector<uint64_t> keys(20);
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = i + 1;
  std::vector<int32_t> places(20);
  bank.write(keys, rows, 1, places);
  EXPECT_NEAR(measure_bank(bank)->mean_cosine, all.mean_cosine, 1e-3);  // float16 at rest
}

}  // namespace
}  // namespace lemur
