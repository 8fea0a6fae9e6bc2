// The kernels of lemur/kernels against LibTorch's operations, in turns.
//   build/kernel_bench [threads=2] [rounds=15]
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <cstring>
#include <random>

#include "bench/alternate.h"
#include "lemur/kernels/matrix_product.h"
#include "lemur/kernels/packed_blocks.h"
#include "lemur/nn/encoder.h"

namespace lemur {
namespace {

/// GFLOP/s of the matrix product where all of it stays in the first cache, on all threads: what the
/// processor gives at most.
double measure_peak(int threads) {
  constexpr int64_t kRows = 48, kColumns = 32, kInner = 128, kCalls = 20000;
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    auto begin = std::chrono::steady_clock::now();
    at::parallel_for(0, threads, 1, [&](int64_t first, int64_t last) {
      std::vector<float> a(kRows * kInner, 1), b(kInner * kColumns, 1), c(kRows * kColumns);
      for (int64_t thread = first; thread < last; ++thread)
        for (int64_t call = 0; call < kCalls; ++call)
          multiply<float>(kRows, kColumns, kInner, {a.data(), kInner}, b.data(), kColumns, c.data(),
                          kColumns, false);
    });
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, 2e-9 * kRows * kColumns * kInner * kCalls * threads / took.count());
  }
  return best;
}

struct Workload {
  int64_t texts, mean_length, d, blocks;
};

/// FLOPs of the blocks forward, as packed_blocks computes them; the backward takes twice as many.
double block_flops(const Workload& work, const std::vector<int64_t>& lengths) {
  double rows = 0, squares = 0;
  for (int64_t length : lengths)
    rows += static_cast<double>(length), squares += static_cast<double>(length * length);
  auto d = static_cast<double>(work.d), texts = static_cast<double>(work.texts);
  double full = 24 * d * d * rows + 4 * d * squares;
  double last = 4 * d * d * rows + (20 * d * d) * texts + 4 * d * rows;
  return full * static_cast<double>(work.blocks - 1) + last;
}

void blocks(const Workload& work, int rounds, double peak) {
  std::mt19937 random(1);
  std::vector<int64_t> lengths, offsets = {0};
  for (int64_t i = 0; i < work.texts; ++i) {
    lengths.push_back(std::uniform_int_distribution<int64_t>(work.mean_length / 2,
                                                             3 * work.mean_length / 2)(random));
    offsets.push_back(offsets.back() + lengths.back());
  }
  const torch::Tensor starts = torch::tensor(offsets, torch::kInt64);
  torch::Tensor x = torch::randn({offsets.back(), work.d}).set_requires_grad(true);
  std::vector<EncoderLayer> layers;
  std::vector<torch::Tensor> parameters;
  for (int64_t i = 0; i < work.blocks; ++i) {
    layers.emplace_back(EncoderOptions{.vocabulary = 1, .width = work.d, .max_length = 1});
    for (torch::Tensor& parameter : layers.back()->block_parameters())
      parameters.push_back(parameter);
  }
  auto ours = [&](bool recompute) {
    packed_blocks(x, starts, parameters, {.heads = 4, .recompute = recompute}).sum().backward();
  };
  auto composed = [&] {
    torch::Tensor state = x;
    for (size_t i = 0; i + 1 < layers.size(); ++i) state = layers[i](state, starts);
    layers.back()(state, starts, starts.slice(0, 0, -1)).sum().backward();
  };
  auto forward = [&] {
    torch::NoGradGuard no_gradient;
    packed_blocks(x, starts, parameters, {.heads = 4});
  };
  double flops = block_flops(work, lengths);
  alternate(fmt::format("{} texts of {} tokens, width {}, {} blocks, forward and backward",
                        work.texts, work.mean_length, work.d, work.blocks),
            rounds, peak,
            {{"packed_blocks", 3 * flops, [&] { ours(false); }},
             {"packed_blocks, recomputing", 3 * flops, [&] { ours(true); }},
             {"LibTorch's operations", 3 * flops, composed},
             {"packed_blocks, forward only", flops, forward}});
}

void products(int rounds, double peak, int threads) {
  constexpr int64_t kRows = 256;
  for (auto [n, k] : {std::pair<int64_t, int64_t>{384, 128}, {512, 128}, {128, 512}, {64, 64}}) {
    torch::Tensor a = torch::randn({kRows, k}), b = torch::randn({k, n}),
                  c = torch::empty({kRows, n});
    constexpr int kCalls = 200;
    at::set_num_threads(1);
    alternate(
        fmt::format("product [{}, {}] [{}, {}], one thread, {} calls", kRows, k, k, n, kCalls),
        rounds, peak / threads,
        {{"multiply", 2.0 * kRows * n * k * kCalls,
          [&] {
            for (int i = 0; i < kCalls; ++i)
              multiply<float>(kRows, n, k, {a.data_ptr<float>(), k}, b.data_ptr<float>(), n,
                              c.data_ptr<float>(), n, false);
          }},
         {"LibTorch's mm (BLAS)", 2.0 * kRows * n * k * kCalls, [&] {
            for (int i = 0; i < kCalls; ++i) torch::mm_out(c, a, b);
          }}});
    at::set_num_threads(threads);
  }
}

int argument(int argc, char** argv, const char* name, int otherwise) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]).starts_with(std::string(name) + "="))
      return std::atoi(argv[i] + std::strlen(name) + 1);
  return otherwise;
}

}  // namespace
}  // namespace lemur

int main(int argc, char** argv) {
  using namespace lemur;
  int threads = argument(argc, argv, "threads", 2), rounds = argument(argc, argv, "rounds", 15);
  at::set_num_threads(threads);
  double peak = measure_peak(threads);
  fmt::print("{} threads, {:.0f} GFLOP/s of float32 where everything is in the cache\n\n", threads,
             peak);
  products(rounds, peak, threads);
  for (const Workload& work : {Workload{270, 112, 128, 4},
                               {54, 112, 128, 4},
                               {270, 40, 64, 1},
                               {500, 8, 64, 2},
                               {270, 112, 96, 2}})
    blocks(work, rounds, peak);
}
