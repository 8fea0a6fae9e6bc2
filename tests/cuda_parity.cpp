// What a GPU computes against what the CPU does: every kernel, and whole training steps. Skipped
// where this build has no CUDA or the machine no GPU.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>

#include "lemur/data/batch_loader.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/flash_attention.h"
#include "lemur/kernels/fused_rows.h"
#include "lemur/kernels/gradient_check.h"
#include "lemur/kernels/packed_attention.h"
#include "lemur/kernels/product.h"
#include "lemur/kernels/ragged_attention.h"
#include "lemur/kernels/ragged_rows.h"
#include "lemur/nn/ragged_similarity.h"
#include "lemur/tables/device_rows.h"
#include "lemur/tables/memory_bank.h"
#include "lemur/train/train_step.h"
#include "lemur/train/training_state.h"
#include "tests/world_fixture.h"

namespace lemur {
namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;

class CudaParity : public testing::Test {
 protected:
  void SetUp() override {
    if (!built_with_cuda()) GTEST_SKIP() << "this build has no CUDA";
    if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no GPU here";
    torch::manual_seed(1);
  }
};

double relative_error(const Tensor& found, const Tensor& expected) {
  const Tensor a = found.detach().cpu().to(torch::kFloat64),
               b = expected.detach().cpu().to(torch::kFloat64);
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (b.numel() == 0) return 0;
  return (a - b).abs().max().item<double>() / std::max(b.abs().max().item<double>(), 1e-3);
}

/// Runs `operation` on the CPU and on the GPU; expects equal outputs and equal gradients of those
/// inputs that require one.
void expect_parity(const Tensors& inputs, const std::function<Tensors(const Tensors&)>& operation,
                   double limit = 1e-4) {
  const auto run = [&](torch::Device device) {
    Tensors leaves, learned;
    for (const Tensor& input : inputs) {
      Tensor leaf = input.detach().to(device);
      if (input.requires_grad()) learned.push_back(leaf.set_requires_grad(true));
      leaves.push_back(leaf);
    }
    Tensors results = operation(leaves);
    Tensor loss = torch::zeros({}, device);
    for (const Tensor& output : results) {
      const Tensor weights =
          torch::cos(torch::arange(output.numel(), torch::kFloat32) * 1.7).to(device);
      loss = loss + (output.to(torch::kFloat32).reshape(-1) * weights).sum();
    }
    if (!learned.empty())
      for (const Tensor& gradient : torch::autograd::grad({loss}, learned))
        results.push_back(gradient);
    return results;
  };
  const Tensors expected = run(torch::kCPU), found = run({torch::kCUDA, 0});
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_LT(relative_error(found[i], expected[i]), limit) << "tensor " << i;
}

Tensor random(std::vector<int64_t> sizes) { return torch::randn(sizes).set_requires_grad(true); }

/// Offsets of samples with 0, 1, 31, 32, 33, 128, 257 and 1000 elements.
Tensor ragged_offsets() {
  return torch::tensor({0, 0, 1, 32, 64, 97, 225, 482, 1482}, torch::kInt64);
}

TEST_F(CudaParity, Products) {
  for (int64_t k : {1, 31, 33, 257}) {
    expect_parity({random({65, k}), random({k, 33}), random({33})},
                  [](const Tensors& x) { return Tensors{product(x[0], x[1], x[2])}; });
    expect_parity({random({3, 65, k}), random({3, k, 33}), random({3, 33})},
                  [](const Tensors& x) { return Tensors{product(x[0], x[1], x[2])}; });
  }
  expect_parity({random({65, 33}), random({33}), random({33})},
                [](const Tensors& x) { return Tensors{normalize(x[0], x[1], x[2])}; });
}

TEST_F(CudaParity, RaggedDotsAndSimilarity) {
  const Tensor offsets = ragged_offsets(), document = torch::randint(-1, 40, {1482}, torch::kInt64);
  for (int64_t width : {1, 16, 33, 128, 257})
    expect_parity({random({8, width}), random({40, width}), offsets, document},
                  [](const Tensors& x) { return Tensors{ragged_dots(x[0], x[1], x[2], x[3])}; });
  for (int64_t k : {1, 64, 300})
    expect_parity({random({1482}), offsets, document}, [k](const Tensors& x) {
      return Tensors{ragged_similarity(x[0], x[1], x[2], k)};
    });
}

TEST_F(CudaParity, RaggedAttention) {
  const Tensor offsets = ragged_offsets(), document = torch::randint(-1, 40, {1482}, torch::kInt64),
               gap = torch::randint(0, 20, {1482}, torch::kInt64),
               action = torch::randint(0, 3, {1482}, torch::kInt64);
  for (int64_t width : {1, 16, 33, 128, 257})
    expect_parity({random({8, width}), random({40, width}), random({40, width}), random({8, 20}),
                   random({8, 3}), offsets, document, gap, action},
                  [width](const Tensors& x) {
                    const Tensor query = x[0] / std::sqrt(static_cast<double>(width));
                    const RaggedAttended attended =
                        ragged_attention(query, x[1], x[2], x[3], x[4], {x[5], x[6], x[7], x[8]});
                    return Tensors{attended.documents, attended.gap, attended.action};
                  });
}

TEST_F(CudaParity, FusedRows) {
  for (int64_t width : {8, 33, 128, 768})
    for (int64_t rows : {0, 1, 33, 3000}) {
      expect_parity(
          {random({rows, width}), random({width})},
          [](const Tensors& x) { return Tensors{bias_gelu(x[0], x[1])}; }, 2e-4);
      expect_parity(
          {random({rows, width}), random({rows, width}), random({width}), random({width})},
          [](const Tensors& x) {
            const auto [sum, y] = add_normalize(x[0], x[1], x[2], x[3]);
            return Tensors{sum, y};
          },
          2e-4);
    }
}

TEST_F(CudaParity, FlashAttention) {
  const Tensor offsets = torch::tensor({0, 1, 32, 64, 97, 225, 482}, torch::kInt64);
  const Tensor qkv = random({482, 3 * 128});
  if (!fits_flash(qkv.detach().to(torch::kCUDA, torch::kBFloat16), 4))
    GTEST_SKIP() << "this LibTorch has no flash attention";
  expect_parity(
      {qkv},
      [&](const Tensors& x) {
        const Tensor input = x[0].is_cuda() ? x[0].to(torch::kBFloat16) : x[0];
        return Tensors{packed_attention(input, offsets, 4)};
      },
      0.03);
}

TEST_F(CudaParity, DeviceRowsHoldWhatTheBankHolds) {
  MemoryBank bank(33);
  DeviceRows rows(33, {torch::kCUDA, 0});
  std::vector<uint64_t> keys(3000);
  std::iota(keys.begin(), keys.end(), 7);
  std::vector<int32_t> places(keys.size());
  const Tensor vectors = torch::randn({3000, 33});
  bank.write(keys, vectors, 1, places);
  rows.write(places, vectors);
  places.push_back(MemoryBank::kAbsent);
  EXPECT_TRUE(rows.gather(places).cpu().equal(bank.gather(places)));
}

World& shared_world() {
  static World world({.documents = 300, .users = 40, .events = 3000, .seed = 5});
  return world;
}

/// A model, its optimiser and a stepper on the shared world.
struct Stepper {
  explicit Stepper(const Options& options)
      : store(shared_world().folder.path() / "store"),
        state(options, store.schema(), SpecialTokens::load(store.vocabulary_path())),
        optimizer((state.move_to(options.train.device), *state.model),
                  {.weight_decay = options.train.weight_decay},
                  [&](const std::string& name) { return learning_rate_of(options.train, name); }),
        step(store, state, optimizer) {}

  /// Returns the loss and the gradients of each step, then the weights.
  std::map<std::string, Tensor> run(int64_t steps) {
    std::map<std::string, Tensor> results;
    BatchLoader loader(store, {.batch_size = 256});
    for (int64_t i = 1; i <= steps; ++i) {
      const StepMetrics metrics = step.run(*loader.next(), i, 1);
      results[fmt::format("loss {}", i)] = torch::tensor(metrics.loss);
      if (i == 1)
        for (const auto& item : state.model->named_parameters())
          results["gradient of " + item.key()] = item.value().grad().cpu().clone();
    }
    for (const auto& item : state.model->named_parameters())
      results["weight " + item.key()] = item.value().detach().cpu().clone();
    return results;
  }

  SampleStore store;
  ModelState state;
  DenseOptimizer optimizer;
  TrainStep step;
};

Options options_for(const std::string& device, bool bf16) {
  Options options = shared_world().options;
  options.bank.forward = options.bank.backward = 0.5;
  options.train.device = device;
  options.train.bf16 = bf16;
  options.train.clip_norm = 0;
  return options;
}

TEST_F(CudaParity, ATrainingStepInFloat32) {
  const auto expected = Stepper(options_for("cpu", false)).run(1),
             found = Stepper(options_for("cuda", false)).run(1);
  EXPECT_GT(expected.size(), 50u);
  for (const auto& [name, value] : expected) {
    if (name.starts_with("weight")) continue;  // AdamW's first step is a sign: noise decides it
    EXPECT_LT(relative_error(found.at(name), value), 1e-4) << name;
  }
}

TEST_F(CudaParity, TheLossOfFiveSteps) {
  const auto expected = Stepper(options_for("cpu", false)).run(5),
             exact = Stepper(options_for("cuda", false)).run(5),
             low = Stepper(options_for("cuda", true)).run(5);
  for (int64_t i = 1; i <= 5; ++i) {
    const std::string name = fmt::format("loss {}", i);
    EXPECT_LT(relative_error(exact.at(name), expected.at(name)), 1e-3) << i;
    EXPECT_LT(relative_error(low.at(name), expected.at(name)), 0.03) << i << " in bfloat16";
  }
}

TEST_F(CudaParity, ARecordedEncoderGivesTheSame) {
  Options recorded = options_for("cuda", true);  // what is recorded is in bfloat16
  recorded.train.cuda_graphs = true;
  const auto expected = Stepper(options_for("cuda", true)).run(3), found = Stepper(recorded).run(3);
  for (const auto& [name, value] : expected) {
    if (!name.starts_with("weight")) {
      EXPECT_LT(relative_error(found.at(name), value), 0.03) << name;
    }
  }
}

TEST_F(CudaParity, ACheckpointOfOneDeviceGoesOnOnTheOther) {
  TemporaryFolder folder;
  Stepper there(options_for("cuda", false)), here(options_for("cpu", false));
  there.run(2);
  save_checkpoint(folder.path() / "step-000002", {.step = 2}, there.state, there.optimizer);
  load_checkpoint(folder.path() / "step-000002", here.state, here.optimizer);
  const auto a = there.state.model->named_parameters(), b = here.state.model->named_parameters();
  for (const auto& item : a) EXPECT_TRUE(item.value().cpu().equal(b[item.key()])) << item.key();
  EXPECT_EQ(here.optimizer.num_steps(), 2);
}

}  // namespace
}  // namespace lemur
