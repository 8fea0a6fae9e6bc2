// The CUDA kernels, run on the host, against the CPU's functions.
#include "lemur/kernels/cuda_on_host.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "lemur/kernels/fused_rows.h"
#include "lemur/kernels/gradient_check.h"
#include "lemur/kernels/kernels_on_host_testing.h"
#include "lemur/kernels/ragged_device.h"
#include "lemur/kernels/ragged_rows.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr int64_t kSizes[] = {1, 31, 32, 33, 128, 257};

Tensor random(std::vector<int64_t> sizes, torch::Dtype type = torch::kFloat32) {
  return torch::randn(sizes, torch::kFloat32).to(type).set_requires_grad(true);
}

/// Each tensor compared with its counterpart, relative to the largest value.
void expect_close(const std::vector<Tensor>& found, const std::vector<Tensor>& expected,
                  double limit, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << what;
    if (found[i].numel() == 0) continue;
    const Tensor a = found[i].detach().to(torch::kFloat64), b = expected[i].detach().to(a.dtype());
    const double scale = std::max(b.abs().max().item<double>(), 1.0);
    EXPECT_LT((a - b).abs().max().item<double>() / scale, limit) << what << ", tensor " << i;
  }
}

/// Outputs and the gradients of their weighted sum in `inputs`.
std::vector<Tensor> with_gradients(std::vector<Tensor> outputs, const std::vector<Tensor>& inputs) {
  Tensor loss = torch::zeros({}, torch::kFloat32);
  for (const Tensor& output : outputs) loss = loss + weighted_sum(output.to(torch::kFloat32));
  for (const Tensor& gradient : torch::autograd::grad({loss}, inputs)) outputs.push_back(gradient);
  return outputs;
}

/// Samples with histories of 0, 1, 31, 32, 33, 128 and 257 elements and one without documents.
struct Histories {
  int64_t documents;
  RaggedElements elements;

  explicit Histories(int64_t documents) : documents(documents) {
    std::vector<int64_t> begin = {0, 0};
    for (int64_t size : kSizes) begin.push_back(begin.back() + size);
    begin.push_back(begin.back() + 4);
    const int64_t total = begin.back();
    elements = {
        torch::tensor(begin, torch::kInt64), torch::randint(-1, documents, {total}, torch::kInt64),
        torch::randint(0, 5, {total}, torch::kInt64), torch::randint(0, 2, {total}, torch::kInt64)};
    elements.document.narrow(0, total - 4, 4).fill_(-1);
  }
  int64_t samples() const { return elements.offsets.numel() - 1; }
};

std::vector<Tensor> tensors_of(const RaggedAttended& attended) {
  return {attended.documents, attended.gap, attended.action};
}

TEST(CudaOnHost, RaggedDotsAgreeWithTheCpu) {
  torch::manual_seed(1);
  for (int64_t width : kSizes) {
    const Histories x(11);
    const std::vector<Tensor> inputs = {random({x.samples(), width}), random({11, width})};
    const auto& [offsets, document, gap, action] = x.elements;
    const auto all = [&](const auto& dots) {
      return with_gradients({dots(inputs[0], inputs[1], offsets, document)}, inputs);
    };
    expect_close(all(ragged_dots_on_device), all(ragged_dots), 2e-5,
                 "width " + std::to_string(width));
  }
}

TEST(CudaOnHost, RaggedDotsReadRowsOfBfloat16) {
  torch::manual_seed(2);
  const Histories x(11);
  const Tensor vectors = torch::randn({x.samples(), 33}),
               rows = torch::randn({11, 33}).to(torch::kBFloat16),
               index = x.elements.document.to(torch::kInt32);
  Tensor dots = torch::empty({index.numel()}), sums = torch::empty_like(vectors);
  const cuda::RaggedView listed{x.elements.offsets.data_ptr<int64_t>(), index.data_ptr<int32_t>(),
                                x.samples()};
  const cuda::RowView<cuda::Bfloat16> view{static_cast<const cuda::Bfloat16*>(rows.data_ptr()), 33};
  cuda::ragged_dots(listed, 33, vectors.data_ptr<float>(), view, dots.data_ptr<float>(), nullptr);
  const Tensor expected =
      ragged_dots(vectors, rows.to(torch::kFloat32), x.elements.offsets, x.elements.document);
  cuda::ragged_sums(listed, 33, expected.data_ptr<float>(), view, sums.data_ptr<float>(), nullptr);
  const Tensor wide = rows.to(torch::kFloat32).requires_grad_(false);
  const Tensor leaf = vectors.clone().requires_grad_(true);
  const Tensor of_vectors = torch::autograd::grad(
      {ragged_dots(leaf, wide, x.elements.offsets, x.elements.document)}, {leaf}, {expected})[0];
  expect_close({dots, sums}, {expected, of_vectors}, 2e-5, "bfloat16");
}

TEST(CudaOnHost, RaggedAttentionAgreesWithTheCpu) {
  torch::manual_seed(3);
  for (int64_t width : kSizes) {
    const Histories x(11);
    const std::vector<Tensor> inputs = {random({x.samples(), width}), random({11, width}),
                                        random({11, width}), random({x.samples(), 5}),
                                        random({x.samples(), 2})};
    const auto all = [&](const auto& attention) {
      const Tensor query = inputs[0] / std::sqrt(static_cast<double>(width));
      return with_gradients(
          tensors_of(attention(query, inputs[1], inputs[2], inputs[3], inputs[4], x.elements)),
          inputs);
    };
    expect_close(all(ragged_attention_on_device), all(ragged_attention), 3e-5,
                 "width " + std::to_string(width));
  }
}

TEST(CudaOnHost, RaggedAttentionTakesLargeScores) {
  const Tensor query = torch::full({1, 1}, 100.0F), keys = torch::tensor({{1.0F}, {-1.0F}, {2.0F}});
  const Tensor index = torch::tensor({1, 0, 2, 1}, torch::kInt64), zeros = torch::zeros_like(index);
  const RaggedAttended attended =
      ragged_attention_on_device(query, keys, keys, torch::zeros({1, 1}), torch::zeros({1, 1}),
                                 {torch::tensor({0, 4}, torch::kInt64), index, zeros, zeros});
  EXPECT_EQ(attended.documents.item<float>(), 2);
  EXPECT_EQ(attended.gap.item<float>(), 1);
}

TEST(CudaOnHost, RaggedOperationsTakeNoSamplesAndNoDocuments) {
  const Tensor none = torch::empty({0}, torch::kInt64), no_rows = torch::zeros({0, 4});
  const RaggedElements nothing{torch::zeros({1}, torch::kInt64), none, none, none};
  EXPECT_EQ(ragged_dots_on_device(no_rows, no_rows, nothing.offsets, none).numel(), 0);
  const RaggedElements empty{torch::zeros({3}, torch::kInt64), none, none, none};
  const auto attended = ragged_attention_on_device(torch::ones({2, 4}), no_rows, no_rows,
                                                   torch::ones({2, 3}), torch::ones({2, 2}), empty);
  for (const Tensor& part : tensors_of(attended)) {
    EXPECT_EQ(part.size(0), 2);
    EXPECT_EQ(part.abs().sum().item<float>(), 0);
  }
}

TEST(CudaOnHost, BiasGeluAgreesWithLibTorch) {
  torch::manual_seed(4);
  for (int64_t width : kSizes)
    for (int64_t rows : {0, 1, 33, 257}) {
      const std::vector<Tensor> inputs = {random({rows, width}), random({width})};
      expect_close(with_gradients({bias_gelu_on_device(inputs[0], inputs[1])}, inputs),
                   with_gradients({bias_gelu(inputs[0], inputs[1])}, inputs), 2e-5,
                   std::to_string(rows) + " x " + std::to_string(width));
    }
}

TEST(CudaOnHost, AddNormalizeAgreesWithLibTorch) {
  torch::manual_seed(5);
  for (int64_t width : {8, 31, 32, 33, 128, 257})
    for (int64_t rows : {0, 1, 33, 257}) {
      const std::vector<Tensor> inputs = {random({rows, width}), random({rows, width}),
                                          random({width}), random({width})};
      const auto all = [&](const auto& operation) {
        const auto [sum, y] = operation(inputs[0] * 3 + 1, inputs[1], inputs[2], inputs[3]);
        return with_gradients({sum, y}, inputs);
      };
      expect_close(all(add_normalize_on_device), all(add_normalize), 1e-4,
                   std::to_string(rows) + " x " + std::to_string(width));
    }
}

TEST(CudaOnHost, AddNormalizeHasTheGradientOfOneOutputAlone) {
  const std::vector<Tensor> inputs = {random({5, 8}), random({5, 8}), random({8}), random({8})};
  const auto all = [&](const auto& operation) {
    return with_gradients({operation(inputs[0], inputs[1], inputs[2], inputs[3]).second}, inputs);
  };
  expect_close(all(add_normalize_on_device), all(add_normalize), 1e-5, "y alone");
}

TEST(CudaOnHost, FusedRowsTakeBfloat16) {
  torch::manual_seed(6);
  const std::vector<Tensor> inputs = {random({40, 33}, torch::kBFloat16),
                                      random({40, 33}, torch::kBFloat16), random({33}),
                                      random({33})};
  const auto wide = [&](size_t i) { return inputs[i].to(torch::kFloat32); };
  expect_close(with_gradients({bias_gelu_on_device(inputs[0], inputs[2])}, {inputs[0], inputs[2]}),
               with_gradients({bias_gelu(wide(0), inputs[2])}, {inputs[0], inputs[2]}), 0.02,
               "gelu");
  const auto found = add_normalize_on_device(inputs[0], inputs[1], inputs[2], inputs[3]),
             expected = add_normalize(wide(0), wide(1), inputs[2], inputs[3]);
  EXPECT_EQ(found.second.scalar_type(), torch::kBFloat16);
  expect_close(with_gradients({found.first, found.second}, inputs),
               with_gradients({expected.first, expected.second}, inputs), 0.03, "normalize");
}

TEST(CudaOnHost, AdamWAgreesWithTheCpuInEverySegment) {
  torch::manual_seed(7);
  const AdamWFactors slow = {
      .beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-6f, .step_size = 0.1f, .root = 2, .keep = 0.95f};
  AdamWFactors fast = slow;
  fast.step_size = 1;
  const int64_t n = 5003, begins[] = {0, 1, 130, 3000, 3001};
  std::vector<cuda::AdamWSegment> segments;
  for (size_t s = 0; s < 5; ++s)
    segments.push_back({begins[s], s % 2 ? fast : slow, /*skipped=*/s == 2});
  const Tensor gradient = torch::randn({n}), first = torch::randn({n}), second = torch::rand({n}),
               value = torch::randn({n});
  const std::vector<Tensor> found = {first.clone(), second.clone(), value.clone()};
  cuda::adamw_update(segments.data(), 5, n, gradient.data_ptr<float>(), found[0].data_ptr<float>(),
                     found[1].data_ptr<float>(), found[2].data_ptr<float>(), nullptr);
  for (size_t s = 0; s < 5; ++s) {
    const int64_t begin = begins[s], size = (s == 4 ? n : begins[s + 1]) - begin;
    if (!segments[s].skipped)
      lemur::adamw_update(segments[s].factors, size, gradient.data_ptr<float>() + begin,
                          first.data_ptr<float>() + begin, second.data_ptr<float>() + begin,
                          value.data_ptr<float>() + begin);
  }
  expect_close(found, {first, second, value}, 1e-6, "adamw");
}

TEST(CudaOnHost, SumOfSquaresAgreesWithTheCpu) {
  for (int64_t n : {0, 1, 31, 33, 257, 200000}) {
    const Tensor values = torch::randn({n}),
                 parts = torch::empty({cuda::kSquareParts}, torch::kFloat64);
    cuda::sum_of_squares(n, values.data_ptr<float>(), parts.data_ptr<double>(), nullptr);
    const double expected = lemur::sum_of_squares(n, values.data_ptr<float>());
    EXPECT_NEAR(parts.sum().item<double>(), expected, 1e-5 * expected) << n;
  }
}

TEST(CudaOnHost, RowAdagradFollowsItsEquations) {
  torch::manual_seed(8);
  for (int64_t width : kSizes) {
    const Tensor rows = torch::tensor({6, 0, 3}, torch::kInt32),
                 gradient = torch::randn({3, width});
    Tensor values = torch::randn({7, width}), accumulators = torch::rand({7});
    const Tensor index = rows.to(torch::kInt64), old = values.index_select(0, index),
                 sums = accumulators.index_select(0, index) + gradient.pow(2).mean(1);
    const Tensor expected_values = values.index_copy(
                     0, index, old * 0.9 - 0.5 * gradient / (sums.sqrt() + 0.01).unsqueeze(1)),
                 expected_sums = accumulators.index_copy(0, index, sums);
    cuda::row_adagrad({.learning_rate = 0.5F, .epsilon = 0.01F, .keep = 0.9F},
                      rows.data_ptr<int32_t>(), 3, width, gradient.data_ptr<float>(),
                      values.data_ptr<float>(), accumulators.data_ptr<float>(), nullptr);
    expect_close({values, accumulators}, {expected_values, expected_sums}, 1e-6, "adagrad");
  }
}

TEST(CudaOnHost, BankRowsComeBackAndFreshOnesStandBeforeThem) {
  torch::manual_seed(9);
  for (int64_t width : kSizes) {
    const Tensor table = torch::zeros({9, width}, torch::kFloat16),
                 vectors = torch::randn({3, width}), rows = torch::tensor({8, 2, 5}, torch::kInt32);
    cuda::scatter_rows(vectors.data_ptr<float>(), width, rows.data_ptr<int32_t>(), 3,
                       table.data_ptr(), nullptr);
    const Tensor asked = torch::tensor({5, -1, 8, 2}, torch::kInt32),
                 fresh_of = torch::tensor({-1, -1, 1, -1}, torch::kInt32),
                 fresh = torch::randn({2, width});
    Tensor result = torch::empty({4, width});
    cuda::join_rows(fresh.data_ptr<float>(), fresh_of.data_ptr<int32_t>(), table.data_ptr(), width,
                    asked.data_ptr<int32_t>(), 4, result.data_ptr<float>(), nullptr);
    const Tensor rounded = vectors.to(torch::kFloat16).to(torch::kFloat32);
    EXPECT_TRUE(
        result.equal(torch::stack({rounded[2], torch::zeros({width}), fresh[1], rounded[1]})));
    cuda::gather_rows(table.data_ptr(), width, asked.data_ptr<int32_t>(), 4,
                      result.data_ptr<float>(), nullptr);
    EXPECT_TRUE(result[2].equal(rounded[0]));
  }
}

TEST(CudaOnHost, DistinctDocumentsAreNumberedInOrder) {
  torch::manual_seed(10);
  for (int64_t n : {0, 1, 31, 32, 33, 128, 257})
    for (int64_t limit : {1, 100, 1000}) {
      const Tensor documents = torch::randint(0, limit, {n}, torch::kInt32);
      Tensor place = torch::zeros({limit}, torch::kInt32), index = torch::empty_like(documents),
             distinct = torch::empty({std::min(n, limit)}, torch::kInt32),
             count = torch::empty({1}, torch::kInt32);
      cuda::distinct_documents(documents.data_ptr<int32_t>(), n, limit, place.data_ptr<int32_t>(),
                               distinct.data_ptr<int32_t>(), index.data_ptr<int32_t>(),
                               count.data_ptr<int32_t>(), nullptr);
      const auto [expected, inverse, unused] =
          torch::_unique2(documents, /*sorted=*/true, /*return_inverse=*/true);
      ASSERT_EQ(count.item<int32_t>(), expected.numel());
      EXPECT_TRUE(distinct.narrow(0, 0, expected.numel()).equal(expected));
      EXPECT_TRUE(index.equal(inverse.to(torch::kInt32)));
    }
}

TEST(CudaOnHost, ThreadsSeeWhatOthersWroteBeforeTheyMet) {
  static int seen[64];
  cuda_on_host::launch(1, 64, [] {
    static int written[64];
    const unsigned int thread = threadIdx.x;
    written[thread] = static_cast<int>(thread);
    __syncthreads();
    seen[thread] = written[63 - thread] + __shfl_xor_sync(0xffffffff, written[thread], 1);
  });
  for (int t = 0; t < 64; ++t) EXPECT_EQ(seen[t], 63 - t + (t ^ 1));
}

TEST(CudaOnHost, AKernelWhoseThreadsNeverMeetIsAnError) {
  EXPECT_THROW(cuda_on_host::launch(1, 64,
                                    [] {
                                      if (threadIdx.x < 5)
                                        __syncthreads();
                                      else
                                        __shfl_sync(0xffffffff, 1, 0);
                                    }),
               std::logic_error);
}

}  // namespace
}  // namespace lemur
