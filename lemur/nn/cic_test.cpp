#include "lemur/nn/cic.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "lemur/base/error.h"
#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

using torch::Tensor;

double score(const Tensor& a, const Tensor& b, double temperature) {
  return temperature * (a.dot(b) / (a.norm() * b.norm())).item<double>();
}

TEST(Cic, EqualsTheDoubleLoopOfItsFormula) {
  torch::manual_seed(3);
  for (int64_t documents : {1, 2, 31, 32, 33}) {
    const Tensor content = torch::randn({documents, 5}, torch::kFloat64),
                 ids = torch::randn({documents, 5}, torch::kFloat64);
    double sum = 0;
    for (int64_t i = 0; i < documents; ++i) {
      double to_ids = 0, to_content = 0;
      for (int64_t j = 0; j < documents; ++j) {
        to_ids += std::exp(score(content[i], ids[j], 20));
        to_content += std::exp(score(content[j], ids[i], 20));
      }
      sum += (std::log(to_ids) + std::log(to_content)) / 2 - score(content[i], ids[i], 20);
    }
    EXPECT_NEAR(cic_loss(content, ids, 20).item<double>(), sum / static_cast<double>(documents),
                1e-9)
        << documents;
  }
}

TEST(Cic, HasTheGradientOfFiniteDifferences) {
  torch::manual_seed(4);
  const Tensor content = torch::randn({7, 5}, torch::kFloat64).set_requires_grad(true),
               ids = torch::randn({7, 5}, torch::kFloat64).set_requires_grad(true);
  EXPECT_LT(gradient_error([&] { return cic_loss(content, ids, 5); }, {content, ids}), 1e-6);
}

TEST(Cic, IsZeroWithoutDocumentsAndRefusesShapesThatDoNotFit) {
  EXPECT_EQ(cic_loss(torch::zeros({0, 4}), torch::zeros({0, 4}), 50).item<double>(), 0);
  expect_error<InvalidArgument>(
      [] {
        cic_loss(torch::zeros({2, 4}), torch::zeros({3, 4}), 50);
      },
      "[cic] content has shape 2 x 4, ids 3 x 4; expected both [I, r]");
}

}  // namespace
}  // namespace lemur
