#include "lemur/nn/sqdc.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "lemur/base/error.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

using torch::Tensor;

struct SqdcExample {
  Tensor q, d, labels, requests, documents, anchors;

  explicit SqdcExample(int64_t samples) {
    torch::manual_seed(5);
    q = torch::randn({samples, 5}, torch::kFloat64).set_requires_grad(true);
    d = torch::randn({samples, 5}, torch::kFloat64).set_requires_grad(true);
    labels = (torch::rand({samples}) < 0.5).to(torch::kFloat32);
    if (samples > 0) labels[0] = 1;
    requests = torch::randint(0, samples / 4 + 1, {samples}, torch::kInt64);
    documents = torch::randint(0, samples / 3 + 1, {samples}, torch::kInt64);
    anchors = torch::rand({samples}) < 0.7;
    if (samples > 0) anchors[0] = true;
  }
};

double cosine(const Tensor& a, const Tensor& b) {
  return (a.dot(b) / (a.norm() * b.norm())).item<double>();
}

/// The formula of model.md 3, sample by sample.
double literal_loss(const SqdcExample& x, const SqdcOptions& options, bool use_anchors) {
  double sum = 0;
  int64_t count = 0;
  const int64_t samples = x.q.size(0);
  for (int64_t i = 0; i < samples; ++i) {
    if (x.labels[i].item<float>() != 1) continue;
    if (use_anchors && !x.anchors[i].item<bool>()) continue;
    const double own = options.temperature * cosine(x.q[i], x.d[i]);
    double total = std::exp(own);
    for (int64_t j = 0; j < samples; ++j) {
      if (j == i || (!options.negatives_all && x.labels[j].item<float>() != 1)) continue;
      if (options.session_mask && x.requests[i].item<int64_t>() == x.requests[j].item<int64_t>())
        continue;
      if (options.document_mask && x.documents[i].item<int64_t>() == x.documents[j].item<int64_t>())
        continue;
      total += std::exp(options.temperature * cosine(x.q[i], x.d[j]));
    }
    sum += -own + std::log(total);
    ++count;
  }
  return count ? sum / static_cast<double>(count) : 0;
}

TEST(Sqdc, EqualsTheDoubleLoopOfItsFormula) {
  for (int64_t samples : {1, 31, 32, 33})
    for (int bits = 0; bits < 16; ++bits) {
      SCOPED_TRACE(fmt::format("{} samples, switches {}", samples, bits));
      const SqdcExample x(samples);
      const SqdcOptions options{.temperature = 20,
                                .session_mask = (bits & 1) != 0,
                                .document_mask = (bits & 2) != 0,
                                .negatives_all = (bits & 4) != 0};
      const Tensor anchors = bits & 8 ? x.anchors : Tensor();
      const double found =
          sqdc_loss(x.q, x.d, x.labels, x.requests, x.documents, options, anchors).item<double>();
      EXPECT_NEAR(found, literal_loss(x, options, anchors.defined()), 1e-12);
    }
}

TEST(Sqdc, HasTheGradientOfFiniteDifferences) {
  const SqdcExample x(33);
  for (bool all : {false, true}) {
    const auto loss = [&] {
      return sqdc_loss(x.q, x.d, x.labels, x.requests, x.documents,
                       SqdcOptions{.temperature = 5, .negatives_all = all}, x.anchors);
    };
    EXPECT_LT(gradient_error(loss, {x.q, x.d}, 200), 1e-6);
  }
}

TEST(Sqdc, IsZeroWhereEveryNegativeIsMasked) {
  SqdcExample x(8);
  x.requests.zero_();
  const Tensor loss = sqdc_loss(x.q, x.d, x.labels, x.requests, x.documents);
  EXPECT_NEAR(loss.item<double>(), 0, 1e-13);
  loss.backward();
  EXPECT_LT(x.q.grad().abs().max().item<double>(), 1e-12);
}

TEST(Sqdc, IsZeroWithAGraphWithoutAnchors) {
  for (int64_t samples : {0, 4}) {
    SqdcExample x(samples);
    x.labels.zero_();
    const Tensor loss = sqdc_loss(x.q, x.d, x.labels, x.requests, x.documents);
    EXPECT_EQ(loss.item<double>(), 0);
    loss.backward();
    EXPECT_EQ(x.d.grad().abs().sum().item<double>(), 0);
  }
}

TEST(Sqdc, KeepsTheDocumentOfASampleWithoutQueryAsNegative) {
  SqdcExample x(2);
  x.labels.fill_(1);
  x.requests = torch::arange(2);
  x.documents = torch::arange(2);
  x.anchors = torch::tensor({true, false});
  sqdc_loss(x.q, x.d, x.labels, x.requests, x.documents, {.temperature = 1}, x.anchors).backward();
  EXPECT_GT(x.d.grad()[1].abs().sum().item<double>(), 0);
  EXPECT_EQ(x.q.grad()[1].abs().sum().item<double>(), 0);
}

TEST(Sqdc, NamesWhatIsWrong) {
  const SqdcExample x(4);
  try {
    sqdc_loss(x.q, x.d.slice(0, 1), x.labels, x.requests, x.documents);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("d 3 x 5"), std::string::npos) << error.what();
  }
  EXPECT_THROW(sqdc_loss(x.q, x.d, x.labels.slice(0, 1), x.requests, x.documents), InvalidArgument);
}

}  // namespace
}  // namespace lemur
