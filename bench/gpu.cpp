// A training step at the paper's scale on a GPU: batches of 2048, histories of 1000, p = q = 20 %.
//
// The paper gives numbers of parameters, not sizes. These come near them: RankMixer of 16 tokens of
// width 848 in 2 layers with an FFN factor of 2 (92 M), encoders of 4 and 2 layers of width 192
// with 240,000 word pieces (139 M together).
#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <functional>

#include "bench/benches.h"
#include "bench/step_workload.h"
#include "lemur/base/error.h"
#include "lemur/kernels/device.h"

namespace lemur {
namespace {

constexpr int kWarmUp = 3;

double milliseconds_of(const std::function<void()>& call) {
  torch::cuda::synchronize();
  const auto start = std::chrono::steady_clock::now();
  call();
  torch::cuda::synchronize();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double median_of(int rounds, const std::function<void()>& call) {
  for (int i = 0; i < kWarmUp; ++i) call();
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) times.push_back(milliseconds_of(call));
  return spread_of(times).median;
}

/// TFLOP/s of a product so large that nothing else counts.
double peak_of(int rounds) {
  constexpr int64_t kSize = 8192;
  const auto options = torch::TensorOptions().dtype(torch::kBFloat16).device(torch::kCUDA);
  const torch::Tensor a = torch::randn({kSize, kSize}, options), b = torch::randn_like(a);
  torch::Tensor c = torch::empty_like(a);
  const double time = median_of(rounds, [&] { torch::mm_out(c, a, b); });
  return 2 * std::pow(static_cast<double>(kSize), 3) / time * 1e-9;
}

struct Configuration {
  const char* name;
  bool content, graphs;
};

StepWorkload workload_of(const Configuration& configuration) {
  StepWorkload workload = {.batch = 2048, .batches = 8, .share = 0.2};
  if (configuration.content) workload.vocabulary = 240000;
  workload.configure = [configuration](Options& options) {
    options.train.device = "cuda";
    options.train.cuda_graphs = configuration.graphs;
    options.model.content = configuration.content;
    options.model.id_history = !configuration.content;
    options.model.encoder_width = 192;
    options.model.tokens = 16;
    options.model.token_width = 848;
    options.model.ranker_ffn_factor = 2;
  };
  return workload;
}

}  // namespace

void bench_gpu(Report& report) {
  if (!built_with_cuda() || !torch::cuda::is_available())
    fail<DataError>("bench", "gpu: no GPU, or no CUDA in this build; docs/gpu.md says how");
  const int rounds = report.options().rounds;
  const double peak = peak_of(rounds);
  report.figures("gpu", "bfloat16 product of 8192 x 8192 x 8192", {{"TFLOP/s", peak}});
  for (const Configuration& configuration :
       {Configuration{"RankMixer with ID histories", false, false},
        Configuration{"LEMUR, p = q = 20 %", true, false},
        Configuration{"LEMUR, p = q = 20 %, CUDA graphs", true, true}}) {
    const StepWorkload workload = workload_of(configuration);
    StepBench bench(workload);
    double encoded = 0, tokens = 0, steps = 0;
    const double time = median_of(rounds, [&] {
      const StepMetrics metrics = bench.step();
      encoded += static_cast<double>(metrics.encoded);
      tokens += static_cast<double>(metrics.tokens);
      ++steps;
    });
    const double flops = bench.useful_flops(encoded / steps, tokens / steps);
    const double rate = flops / time * 1e-9;
    report.figures("gpu", configuration.name,
                   {{"parameters, M", static_cast<double>(bench.num_parameters()) * 1e-6},
                    {"ms", time},
                    {"samples/s", static_cast<double>(workload.batch) / time * 1e3},
                    {"GFLOP", flops * 1e-9},
                    {"TFLOP/s", rate},
                    {"share of peak", rate / peak}});
  }
}

}  // namespace lemur
