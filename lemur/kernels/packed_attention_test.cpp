#include "lemur/kernels/packed_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/testing.h"
#include "lemur/kernels/gradient_check.h"

namespace lemur {
namespace {

torch::Tensor offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> offsets = {0};
  for (int64_t length : lengths) offsets.push_back(offsets.back() + length);
  return torch::tensor(offsets, torch::kInt64);
}

torch::Tensor random_qkv(const torch::Tensor& offsets, int64_t d, torch::Dtype type) {
  torch::manual_seed(7);
  return torch::randn({offsets[-1].item<int64_t>(), 3 * d}, type).set_requires_grad(true);
}

/// Output and gradient of one of the two functions.
template <typename F>
std::pair<torch::Tensor, torch::Tensor> run(const F& attention, const torch::Tensor& qkv,
                                            const torch::Tensor& offsets, int64_t heads) {
  torch::Tensor input = qkv.detach().clone().set_requires_grad(true);
  torch::Tensor output = attention(input, offsets, heads);
  weighted_sum(output).backward();
  return {output.detach(), input.grad()};
}

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return a.numel() == 0 ? 0 : (a - b).abs().max().item<double>();
}

const std::vector<std::vector<int64_t>> kLengths = {
    {}, {0}, {1}, {31}, {32}, {33}, {1, 31, 32, 33, 0, 7}, {100, 2, 65}};

TEST(PackedAttention, AgreesWithTheReferenceInFloat) {
  for (const auto& lengths : kLengths)
    for (int64_t width : {8, 16, 24, 32, 48}) {
      SCOPED_TRACE(fmt::format("lengths {} width {}", fmt::join(lengths, ","), width));
      const torch::Tensor offsets = offsets_of(lengths);
      const torch::Tensor qkv = random_qkv(offsets, 2 * width, torch::kFloat32);
      const auto [output, gradient] = run(packed_attention, qkv, offsets, 2);
      const auto [expected, expected_gradient] = run(packed_attention_reference, qkv, offsets, 2);
      EXPECT_LT(distance(output, expected), 2e-6);
      EXPECT_LT(distance(gradient, expected_gradient), 1e-5);
    }
}

TEST(PackedAttention, AgreesWithTheReferenceInDouble) {
  const torch::Tensor offsets = offsets_of({1, 31, 32, 33, 0, 7});
  const torch::Tensor qkv = random_qkv(offsets, 12, torch::kFloat64);
  const auto [output, gradient] = run(packed_attention, qkv, offsets, 4);
  const auto [expected, expected_gradient] = run(packed_attention_reference, qkv, offsets, 4);
  EXPECT_LT(distance(output, expected), 1e-14);
  EXPECT_LT(distance(gradient, expected_gradient), 1e-13);
}

TEST(PackedAttention, HasTheGradientOfFiniteDifferences) {
  for (const auto& lengths : kLengths) {
    SCOPED_TRACE(fmt::format("lengths {}", fmt::join(lengths, ",")));
    const torch::Tensor offsets = offsets_of(lengths);
    const torch::Tensor qkv = random_qkv(offsets, 8, torch::kFloat64);
    EXPECT_LT(
        gradient_error([&] { return weighted_sum(packed_attention(qkv, offsets, 2)); }, {qkv}),
        1e-6);
  }
}

TEST(PackedAttention, KeepsTextsApart) {
  const torch::Tensor offsets = offsets_of({5, 33});
  const torch::Tensor qkv = random_qkv(offsets, 16, torch::kFloat32).detach();
  torch::Tensor changed = qkv.clone();
  changed.narrow(0, 5, 33).add_(1);
  const torch::Tensor before = packed_attention(qkv, offsets, 1);
  const torch::Tensor after = packed_attention(changed, offsets, 1);
  EXPECT_TRUE(torch::equal(before.narrow(0, 0, 5), after.narrow(0, 0, 5)));
  EXPECT_FALSE(torch::equal(before.narrow(0, 5, 33), after.narrow(0, 5, 33)));
}

TEST(PackedAttention, SurvivesScoresThatExponentiateToZero) {
  const torch::Tensor offsets = offsets_of({20});
  const torch::Tensor qkv = random_qkv(offsets, 16, torch::kFloat32).detach() * 40;
  const torch::Tensor expected = packed_attention_reference(qkv, offsets, 1);
  EXPECT_LT(distance(packed_attention(qkv, offsets, 1), expected), 1e-3);
}

TEST(PackedAttention, PassesNanOn) {
  const torch::Tensor offsets = offsets_of({3, 20});
  const torch::Tensor qkv = random_qkv(offsets, 16, torch::kFloat32).detach();
  qkv[10][3] = std::numeric_limits<float>::quiet_NaN();
  const torch::Tensor output = packed_attention(qkv, offsets, 1);
  EXPECT_FALSE(output.narrow(0, 0, 3).isnan().any().item<bool>());
  EXPECT_TRUE(output[10].isnan().all().item<bool>());
}

TEST(PackedAttention, IsTheSameForAnyNumberOfThreads) {
  const torch::Tensor offsets = offsets_of({1, 31, 32, 33, 64, 5, 17});
  const torch::Tensor qkv = random_qkv(offsets, 64, torch::kFloat32);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto [output, gradient] = run(packed_attention, qkv, offsets, 4);
  at::set_num_threads(2);
  const auto [output2, gradient2] = run(packed_attention, qkv, offsets, 4);
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(output, output2));
  EXPECT_TRUE(torch::equal(gradient, gradient2));
}

void expect_packed_error(const torch::Tensor& qkv, const torch::Tensor& offsets, int64_t heads,
                         const std::string& part) {
  lemur::expect_error<InvalidArgument>([&] { packed_attention(qkv, offsets, heads); }, part);
}

TEST(PackedAttention, NamesWhatIsWrong) {
  const torch::Tensor qkv = torch::zeros({4, 24});
  expect_packed_error(qkv, offsets_of({4}), 3, "4 x 24");
  expect_packed_error(qkv, offsets_of({4}), 0, "0 heads");
  expect_packed_error(qkv, offsets_of({3}), 2, "0 to 3; expected 0 to 4");
  expect_packed_error(qkv, torch::tensor({0, 5, 4}, torch::kInt64), 2, "fall from 5 to 4 at row 1");
  expect_packed_error(qkv, torch::tensor({0.0f, 4.0f}), 2, "int64");
}

}  // namespace
}  // namespace lemur
