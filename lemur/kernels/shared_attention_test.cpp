#include "lemur/kernels/shared_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/error.h"

namespace lemur {
namespace {

using torch::Tensor;

Tensor offsets(const std::vector<int64_t>& values) { return torch::tensor(values, torch::kInt64); }

/// Groups of 0, 1, 70 and 3 samples over 4, 33, 0 and 100 rows.
struct Example {
  SharedRows groups{offsets({0, 0, 1, 71, 74}), offsets({0, 4, 37, 37, 137})};
  Tensor query, keys, values;

  explicit Example(torch::Dtype type) {
    torch::manual_seed(1);
    query = torch::randn({74, 24}, type);
    keys = torch::randn({137, 24}, type);
    values = torch::randn({137, 24}, type);
  }

  /// Calls body(samples, rows) for each group.
  template <typename Body>
  void for_each_group(const Body& body) const {
    for (int64_t h = 0; h + 1 < groups.samples.numel(); ++h) {
      const auto slice = [&](const Tensor& x) {
        return torch::indexing::Slice(x[h].item<int64_t>(), x[h + 1].item<int64_t>());
      };
      body(slice(groups.samples), slice(groups.rows));
    }
  }
};

TEST(SharedAttention, EqualsSoftmaxOfTheGroupsRows) {
  const Example x(torch::kFloat64);
  const Tensor attended = shared_attention(x.query, x.keys, x.values, x.groups);
  x.for_each_group([&](const auto& samples, const auto& rows) {
    const Tensor keys = x.keys.index({rows}), values = x.values.index({rows});
    const Tensor expected =
        torch::softmax(x.query.index({samples}).matmul(keys.t()), 1).matmul(values);
    EXPECT_TRUE(torch::allclose(attended.index({samples}), expected, 1e-12, 1e-12));
  });
}

TEST(SharedAttention, DotsLieSampleBySample) {
  const Example x(torch::kFloat32);
  std::vector<Tensor> expected;
  x.for_each_group([&](const auto& samples, const auto& rows) {
    expected.push_back(x.query.index({samples}).matmul(x.keys.index({rows}).t()).flatten());
  });
  EXPECT_TRUE(
      torch::allclose(shared_dots(x.query, x.keys, x.groups), torch::cat(expected), 1e-5, 1e-5));
}

TEST(SharedAttention, ASampleDoesNotDependOnTheOthers) {
  const Example x(torch::kFloat32);
  const Tensor together = shared_attention(x.query, x.keys, x.values, x.groups);
  for (int64_t sample : {71, 73}) {
    const SharedRows alone{offsets({0, 1}), offsets({0, 100})};
    const Tensor one = shared_attention(x.query.narrow(0, sample, 1), x.keys.narrow(0, 37, 100),
                                        x.values.narrow(0, 37, 100), alone);
    EXPECT_TRUE(one.equal(together.narrow(0, sample, 1)));
  }
}

TEST(SharedAttention, TakesSlicesOfWiderTensors) {
  const Example x(torch::kFloat32);
  const auto slice = [](const Tensor& t) { return t.narrow(1, 8, 16); };
  const Tensor from_slices =
      shared_attention(slice(x.query), slice(x.keys), slice(x.values), x.groups);
  const Tensor from_copies =
      shared_attention(slice(x.query).contiguous(), slice(x.keys).contiguous(),
                       slice(x.values).contiguous(), x.groups);
  EXPECT_TRUE(from_slices.equal(from_copies));
}

TEST(SharedAttention, WrongShapesAreRefused) {
  const Example x(torch::kFloat32);
  EXPECT_THROW(shared_attention(x.query, x.keys.narrow(1, 0, 8), x.values, x.groups),
               InvalidArgument);
  EXPECT_THROW(shared_attention(x.query, x.keys, x.values.narrow(0, 0, 3), x.groups),
               InvalidArgument);
  EXPECT_THROW(shared_dots(x.query, x.keys, {x.groups.samples, offsets({0, 137})}),
               InvalidArgument);
  EXPECT_THROW(shared_dots(x.query, x.keys.to(torch::kFloat64), x.groups), InvalidArgument);
}

}  // namespace
}  // namespace lemur
