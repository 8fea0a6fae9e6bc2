// Training steps whose every part takes the way that it takes on a GPU, on the host: fused encoder,
// launchers, the bank's copy, AdamW by segments; the kernels are compiled for the host.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>

#include "lemur/data/batch_loader.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/kernels_on_host_testing.h"
#include "lemur/train/train_step.h"
#include "tests/world_fixture.h"

namespace lemur {

static bool as_on_a_gpu = false;

// In the place of those that the program would be linked with.
bool built_with_cuda() { return false; }
bool takes_launchers(torch::Device) { return as_on_a_gpu; }
void* stream_of(const torch::Tensor&) { return nullptr; }

namespace {

using torch::Tensor;
using Results = std::map<std::string, Tensor>;

World& shared_world() {
  static World world({.documents = 200, .users = 30, .events = 1500, .seed = 5});
  return world;
}

/// Returns the loss of each step, the gradients of the last one and the weights.
Results run(const Options& options, bool on_a_gpu, int64_t steps) {
  as_on_a_gpu = on_a_gpu;
  const int64_t before = cuda_on_host::num_launches();
  const SampleStore store(shared_world().folder.path() / "store");
  ModelState state(options, store.schema(), SpecialTokens::load(store.vocabulary_path()));
  DenseOptimizer optimizer(
      *state.model, {.weight_decay = options.train.weight_decay},
      [&](const std::string& name) { return learning_rate_of(options.train, name); });
  TrainStep step(store, state, optimizer);
  BatchLoader loader(store, {.batch_size = 64});
  Results results;
  for (int64_t i = 1; i <= steps; ++i) {
    const StepMetrics metrics = step.run(*loader.next(), i, 1);
    results[fmt::format("loss {}", i)] = torch::tensor(metrics.loss);
    results[fmt::format("norm {}", i)] = torch::tensor(metrics.gradient_norm);
    results[fmt::format("staleness {}", i)] = torch::tensor(metrics.staleness);
  }
  for (const auto& item : state.model->named_parameters()) {
    results["gradient of " + item.key()] = item.value().grad().clone();
    results["weight " + item.key()] = item.value().detach().clone();
  }
  as_on_a_gpu = false;
  const int64_t launches = cuda_on_host::num_launches() - before;
  EXPECT_EQ(launches > 0, on_a_gpu);
  return results;
}

double relative_error(const Tensor& found, const Tensor& expected) {
  return ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-3)).item<double>();
}

TEST(DevicePath, AStepGivesTheLossesAndGradientsOfTheCpu) {
  Options options = shared_world().options;
  options.bank.forward = 0.7;
  options.bank.backward = 0.5;
  const Results expected = run(options, false, 1), found = run(options, true, 1);
  EXPECT_GT(expected.size(), 50u);
  for (const auto& [name, value] : expected) {
    if (!name.starts_with("weight")) {  // AdamW's first step is a sign: noise decides it near zero
      EXPECT_LT(relative_error(found.at(name), value), 1e-4) << name;
    }
  }
}

TEST(DevicePath, StepsStayTogether) {
  Options options = shared_world().options;
  options.bank.history_gradient = true;
  options.train.learning_rate = 1e-4;
  const Results expected = run(options, false, 3), found = run(options, true, 3);
  for (const auto& [name, value] : expected) {
    // The keys' bias has no gradient but noise: it cancels in the softmax.
    if (!name.starts_with("gradient") && !name.ends_with("qkv.bias")) {
      EXPECT_LT(relative_error(found.at(name), value), 5e-3) << name;
    }
  }
}

TEST(DevicePath, ProjectedHistoriesOfContentAloneTakeItToo) {
  Options options = shared_world().options;
  options.model.similarity = false;
  options.model.id_history = false;
  options.model.decoder_projected = true;
  const Results expected = run(options, false, 1), found = run(options, true, 1);
  for (const auto& [name, value] : expected) {
    if (!name.starts_with("weight")) {
      EXPECT_LT(relative_error(found.at(name), value), 1e-4) << name;
    }
  }
}

}  // namespace
}  // namespace lemur
