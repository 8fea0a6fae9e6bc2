#include "lemur/kernels/text_mean.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

using torch::Tensor;

struct Texts {
  explicit Texts(torch::Dtype type)
      : x(torch::randn({74, 9}, type)), logits(torch::randn({74}, type) * 3) {
    x.set_requires_grad(true);
    logits.set_requires_grad(true);
  }
  Tensor x, logits;
  Tensor offsets = torch::tensor({0, 1, 32, 65, 74}, torch::kInt64);
};

TEST(TextMeans, IsAPlainLoop) {
  const Texts texts(torch::kFloat64);
  const Tensor y = text_means(texts.x, texts.logits, texts.offsets);
  const auto *x = texts.x.data_ptr<double>(), *logit = texts.logits.data_ptr<double>();
  Tensor wanted = torch::zeros({4, 9}, torch::kFloat64);
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t begin = texts.offsets[i].item<int64_t>(),
                  end = texts.offsets[i + 1].item<int64_t>();
    double sum = 0;
    for (int64_t t = begin; t < end; ++t) sum += std::exp(logit[t]);
    for (int64_t t = begin; t < end; ++t)
      for (int64_t c = 0; c < 9; ++c)
        wanted.data_ptr<double>()[i * 9 + c] += std::exp(logit[t]) / sum * x[t * 9 + c];
  }
  EXPECT_LT((y - wanted).abs().max().item<double>(), 1e-12);
}

TEST(TextMeans, HasTheGradientOfFiniteDifferencesAndOfTheReference) {
  const Texts texts(torch::kFloat64);
  EXPECT_LT(
      gradient_error([&] { return weighted_sum(text_means(texts.x, texts.logits, texts.offsets)); },
                     {texts.x, texts.logits}),
      1e-7);
  const Tensor given = torch::randn({4, 9}, torch::kFloat64);
  const auto gradients = [&](const auto& function) {
    return torch::autograd::grad({function(texts.x, texts.logits, texts.offsets)},
                                 {texts.x, texts.logits}, {given});
  };
  const auto ours = gradients(text_means), reference = gradients(text_means_reference);
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_LT((ours[i] - reference[i]).abs().max().item<double>(), 1e-12);
}

TEST(TextMeans, LeavesOutRowsOfVerySmallWeight) {
  const Tensor x = torch::tensor({{1., 2.}, {3., 5.}, {7., 11.}}),
               logits = torch::tensor({-1e4, 0., -1e4}),
               offsets = torch::tensor({0, 3}, torch::kInt64);
  for (auto function : {text_means, text_means_reference}) {
    EXPECT_TRUE(torch::equal(function(x, logits, offsets)[0], torch::tensor({3., 5.})));
    // A text of such rows alone has their mean.
    EXPECT_TRUE(torch::allclose(function(x, torch::full({3}, -1e4), offsets)[0],
                                torch::tensor({11 / 3., 6.})));
  }
}

TEST(TextMeans, DoesNotDependOnThreads) {
  const int threads = at::get_num_threads();
  torch::manual_seed(3);
  const Texts texts(torch::kFloat32);
  const auto results = [&](int count) {
    at::set_num_threads(count);
    const Tensor y = text_means(texts.x, texts.logits, texts.offsets);
    auto all = torch::autograd::grad({y.square().sum()}, {texts.x, texts.logits});
    all.push_back(y);
    return all;
  };
  const auto one = results(1), four = results(4);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], four[i]));
}

TEST(TextMeans, RefusesShapesThatDoNotFit) {
  const Texts texts(torch::kFloat32);
  expect_error<InvalidArgument>(
      [&] { text_means(texts.x, texts.logits.slice(0, 1), texts.offsets); }, "logits [73]");
  expect_error<InvalidArgument>(
      [&] { text_means(texts.x, texts.logits, texts.offsets.slice(0, 0, -1)); }, "text_mean");
}

}  // namespace
}  // namespace lemur
