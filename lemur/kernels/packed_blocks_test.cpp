#include "lemur/kernels/packed_blocks.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"
#include "lemur/kernels/packed_attention.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;

struct BlocksCase {
  Tensor x, offsets;
  std::vector<Tensor> parameters;
  int64_t heads;

  /// All that gradients are taken of.
  std::vector<Tensor> inputs() const {
    std::vector<Tensor> all = {x};
    all.insert(all.end(), parameters.begin(), parameters.end());
    return all;
  }

  Tensor run(bool recompute = false) const {
    return packed_blocks(x, offsets, parameters, {.heads = heads, .recompute = recompute});
  }
};

struct Sizes {
  int64_t d = 12, heads = 2, hidden = 20, blocks = 2;
};

BlocksCase random_case(const std::vector<int64_t>& lengths, const Sizes& sizes, torch::Dtype type) {
  torch::manual_seed(3);
  std::vector<int64_t> offsets = {0};
  for (int64_t length : lengths) offsets.push_back(offsets.back() + length);
  const int64_t d = sizes.d, hidden = sizes.hidden;
  auto random = [&](torch::IntArrayRef shape, double deviation, double mean = 0) {
    return (torch::randn(shape, type) * deviation + mean).set_requires_grad(true);
  };
  BlocksCase made{
      random({offsets.back(), d}, 1), torch::tensor(offsets, torch::kInt64), {}, sizes.heads};
  for (int64_t block = 0; block < sizes.blocks; ++block)
    for (const Tensor& parameter :
         {random({d}, 0.2, 1), random({d}, 0.2), random({3 * d, d}, 0.3), random({3 * d}, 0.2),
          random({d, d}, 0.3), random({d}, 0.2), random({d}, 0.2, 1), random({d}, 0.2),
          random({hidden, d}, 0.3), random({hidden}, 0.2), random({d, hidden}, 0.3),
          random({d}, 0.2)})
      made.parameters.push_back(parameter);
  return made;
}

/// The same by LibTorch's operations, text by text.
Tensor composed(const BlocksCase& of) {
  Tensor x = of.x;
  const int64_t d = x.size(1);
  for (size_t at = 0; at < of.parameters.size(); at += kNumBlockParameters) {
    auto p = [&](BlockParameter which) { return of.parameters[at + which]; };
    Tensor normal = torch::layer_norm(x, {d}, p(kAttentionNormGain), p(kAttentionNormBias));
    Tensor qkv = torch::linear(normal, p(kQkvWeight), p(kQkvBias));
    Tensor attended = packed_attention_reference(qkv, of.offsets, of.heads);
    x = x + torch::linear(attended, p(kAttentionOutputWeight), p(kAttentionOutputBias));
    normal = torch::layer_norm(x, {d}, p(kFfnNormGain), p(kFfnNormBias));
    Tensor hidden = torch::gelu(torch::linear(normal, p(kFfnInputWeight), p(kFfnInputBias)));
    x = x + torch::linear(hidden, p(kFfnOutputWeight), p(kFfnOutputBias));
  }
  return x.index_select(0, of.offsets.slice(0, 0, -1));
}

/// The output and the gradients of a weighted sum of it.
std::vector<Tensor> all_of(const BlocksCase& of, const Tensor& output) {
  for (const Tensor& input : of.inputs()) input.mutable_grad() = Tensor();
  weighted_sum(output).backward();
  std::vector<Tensor> all = {output.detach()};
  for (const Tensor& input : of.inputs()) all.push_back(input.grad().clone());
  return all;
}

double relative_distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return ((a - b).abs().max() / b.abs().max().clamp_min(1e-3)).item<double>();
}

const std::vector<int64_t> kOddLengths = {1, 15, 16, 17, 31, 32, 33, 511, 512};

TEST(PackedBlocks, AgreesWithTheCompositionInFloat) {
  for (const Sizes& sizes :
       {Sizes{}, Sizes{.d = 33, .heads = 3, .hidden = 7, .blocks = 1},
        Sizes{.d = 64, .heads = 4, .hidden = 256, .blocks = 3},
        Sizes{.d = 128, .heads = 4, .hidden = 512, .blocks = 2}, Sizes{.d = 2, .heads = 2}}) {
    SCOPED_TRACE(fmt::format("d {} blocks {}", sizes.d, sizes.blocks));
    const BlocksCase made = random_case(kOddLengths, sizes, torch::kFloat32);
    const auto found = all_of(made, made.run()), expected = all_of(made, composed(made));
    // LayerNorm over two numbers divides by their difference, and rounding with it.
    const double bound = sizes.d == 2 ? 1e-3 : 1e-4;
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_LT(relative_distance(found[i], expected[i]), bound) << i;
  }
}

TEST(PackedBlocks, AgreesWithTheCompositionInDouble) {
  for (const auto& lengths : std::vector<std::vector<int64_t>>{
           {1}, {5}, {300}, {7, 7, 7, 7}, {1, 31, 32, 33}, kOddLengths}) {
    const BlocksCase made = random_case(lengths, {}, torch::kFloat64);
    const auto found = all_of(made, made.run()), expected = all_of(made, composed(made));
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_LT(relative_distance(found[i], expected[i]), 1e-11) << i;
  }
}

TEST(PackedBlocks, HasTheGradientOfFiniteDifferences) {
  for (int64_t blocks : {1, 2}) {
    const BlocksCase made = random_case({1, 31, 32, 33}, {.blocks = blocks}, torch::kFloat64);
    for (bool recompute : {false, true})
      EXPECT_LT(gradient_error([&] { return weighted_sum(made.run(recompute)); }, made.inputs(), 8),
                1e-6);
  }
}

TEST(PackedBlocks, GivesTheSameBitsHoweverItIsComputed) {
  // More chunks than accumulators.
  const BlocksCase made = random_case(std::vector<int64_t>(60, 97),
                                      {.d = 32, .heads = 4, .hidden = 128}, torch::kFloat32);
  const int threads = at::get_num_threads();
  const auto expected = all_of(made, made.run());
  auto expect_same = [&](const std::vector<Tensor>& found, std::string what) {
    SCOPED_TRACE(what);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(torch::equal(found[i], expected[i])) << i;
  };
  expect_same(all_of(made, made.run(true)), "recompute");
  for (int count : {1, 2, 3, 5}) {
    at::set_num_threads(count);
    expect_same(all_of(made, made.run()), fmt::format("{} threads", count));
  }
  at::set_num_threads(threads);
  torch::NoGradGuard no_gradient;
  EXPECT_TRUE(torch::equal(made.run(), expected[0]));
}

TEST(PackedBlocks, TakesABatchWithoutTexts) {
  const BlocksCase made = random_case({}, {}, torch::kFloat32);
  const auto all = all_of(made, made.run());
  EXPECT_EQ(all[0].sizes(), torch::IntArrayRef({0, 12}));
  for (size_t i = 2; i < all.size(); ++i) EXPECT_EQ(all[i].abs().sum().item<float>(), 0);
}

TEST(PackedBlocks, EncodesEqualTextsEqually) {
  BlocksCase made = random_case({40}, {}, torch::kFloat32);
  made.x = made.x.detach().repeat({30, 1});
  made.offsets = torch::arange(0, 31 * 40, 40, torch::kInt64);
  const Tensor output = made.run();
  for (int64_t i = 1; i < 30; ++i) EXPECT_TRUE(torch::equal(output[i], output[0])) << i;
}

TEST(PackedBlocks, RefusesWhatDoesNotFit) {
  const BlocksCase made = random_case({3, 4}, {}, torch::kFloat32);
  auto refuses = [&](const std::string& message, auto change) {
    BlocksCase other = made;
    change(other);
    expect_error<InvalidArgument>([&] { other.run(); }, message);
  };
  refuses("5 heads do not divide", [](BlocksCase& c) { c.heads = 5; });
  refuses("text 1 has no token", [](BlocksCase& c) {
    c.offsets = torch::tensor({0, 7, 7}, torch::kInt64);
  });
  refuses("offsets go from 0 to 6", [](BlocksCase& c) {
    c.offsets = torch::tensor({0, 6}, torch::kInt64);
  });
  refuses("23 parameters", [](BlocksCase& c) { c.parameters.pop_back(); });
  refuses("parameter 14 is [35, 12]",
          [](BlocksCase& c) { c.parameters[14] = c.parameters[14].slice(0, 0, 35); });
  refuses("of x's type",
          [](BlocksCase& c) { c.parameters[0] = c.parameters[0].to(torch::kFloat64); });
}

TEST(GeluValues, AreThoseOfLibTorch) {
  const Tensor x = torch::linspace(-12, 12, 4801, torch::kFloat64).set_requires_grad(true);
  const Tensor single = x.detach().to(torch::kFloat32);
  Tensor y = torch::empty_like(single), slope = torch::ones_like(single);
  gelu_values(x.numel(), single.data_ptr<float>(), y.data_ptr<float>());
  gelu_backward_values(x.numel(), single.data_ptr<float>(), slope.data_ptr<float>());
  const Tensor expected = torch::gelu(x);
  expected.sum().backward();
  EXPECT_LT((y - expected).abs().max().item<double>(), 2e-6);
  EXPECT_LT((slope - x.grad()).abs().max().item<double>(), 2e-6);
}

}  // namespace
}  // namespace lemur
