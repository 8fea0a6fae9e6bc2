// The kernels of lemur/kernels against LibTorch's operations.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include <random>

#include "bench/benches.h"
#include "lemur/kernels/matrix_product.h"
#include "lemur/kernels/packed_blocks.h"
#include "lemur/nn/encoder.h"
#include "lemur/nn/int8_layers.h"
#include "lemur/nn/rankmixer.h"

namespace lemur {
namespace {

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

/// Bytes that the blocks must move forward: what enters and leaves each, and its weights.
double block_bytes(const Workload& work, double rows) {
  const auto d = static_cast<double>(work.d);
  return 4 * static_cast<double>(work.blocks) * (2 * d * rows + 12 * d * d);
}

void blocks(Report& report, const Workload& work) {
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
  const double flops = block_flops(work, lengths),
               bytes = block_bytes(work, static_cast<double>(offsets.back())),
               texts = static_cast<double>(work.texts);
  report.alternate(
      "kernels",
      fmt::format("{} texts of {} tokens, width {}, {} blocks, forward and backward", work.texts,
                  work.mean_length, work.d, work.blocks),
      {{"packed_blocks", [&] { ours(false); }, 3 * flops, 3 * bytes, texts},
       {"packed_blocks, recomputing", [&] { ours(true); }, 3 * flops, 3 * bytes, texts},
       {"LibTorch's layers, our packed_attention", composed, 3 * flops, 3 * bytes, texts},
       {"packed_blocks, forward only", forward, flops, bytes, texts}});
}

void products(Report& report) {
  constexpr int64_t kRows = 256, kCalls = 200;
  at::set_num_threads(1);
  report.roof(1);
  for (auto [n, k] : {std::pair<int64_t, int64_t>{384, 128}, {512, 128}, {128, 512}, {64, 64}}) {
    const torch::Tensor a = torch::randn({kRows, k}), b = torch::randn({k, n});
    torch::Tensor c = torch::empty({kRows, n});
    const double flops = 2.0 * kRows * static_cast<double>(n * k * kCalls);
    report.alternate(
        "kernels",
        fmt::format("product [{}, {}] [{}, {}], one thread, {} calls", kRows, k, k, n, kCalls),
        {{"multiply",
          [&] {
            for (int64_t i = 0; i < kCalls; ++i)
              multiply<float>(kRows, n, k, {a.data_ptr<float>(), k}, {b.data_ptr<float>(), n},
                              c.data_ptr<float>(), n, false);
          },
          flops},
         {"multiply, B transposed",
          [&] {
            for (int64_t i = 0; i < kCalls; ++i)
              multiply<float>(kRows, n, k, {a.data_ptr<float>(), k}, {b.data_ptr<float>(), 1, k},
                              c.data_ptr<float>(), n, false);
          },
          flops},
         {"LibTorch's mm (BLAS)",
          [&] {
            for (int64_t i = 0; i < kCalls; ++i) torch::mm_out(c, a, b);
          },
          flops}});
  }
  at::set_num_threads(report.options().threads);
}

/// A block of RankMixer for inference, of 16 tokens of width 128.
void mixing(Report& report, int64_t samples) {
  constexpr int64_t kTokens = 16, kWidth = 128, kHidden = 512;
  torch::NoGradGuard no_grad;
  const torch::Tensor x = torch::randn({kTokens, samples, kWidth});
  RankMixerBlock block(RankMixerOptions{.tokens = kTokens, .width = kWidth});
  block->eval();
  RankMixerBlock int8(RankMixerOptions{.tokens = kTokens, .width = kWidth});
  int8->eval();
  use_int8(*int8);
  const auto draw = [](at::IntArrayRef sizes) { return torch::randn(sizes); };
  const torch::Tensor input = draw({kTokens, kWidth, kHidden}),
                      output = draw({kTokens, kHidden, kWidth}),
                      input_bias = draw({kTokens, 1, kHidden}),
                      output_bias = draw({kTokens, 1, kWidth});
  const auto composed = [&] {
    const torch::Tensor mixed = torch::layer_norm(mix_tokens(x) + x, {kWidth});
    const torch::Tensor hidden = torch::gelu(torch::baddbmm(input_bias, mixed, input));
    torch::layer_norm(torch::baddbmm(output_bias, hidden, output) + mixed, {kWidth});
  };
  const double flops = 4.0 * kTokens * kWidth * kHidden * static_cast<double>(samples);
  report.alternate("kernels", fmt::format("RankMixer block of {} samples, inference", samples),
                   {{"rankmixer_block", [&] { block(x); }, flops},
                    {"rankmixer_block, int8", [&] { int8(x); }, flops},
                    {"LibTorch's operations", composed, flops}});
}

}  // namespace

void bench_kernels(Report& report) {
  products(report);
  report.roof(report.options().threads);
  for (int64_t samples : {100, 500}) mixing(report, samples);
  for (const Workload& work : {Workload{270, 112, 128, 4},
                               {54, 112, 128, 4},
                               {270, 40, 64, 1},
                               {500, 8, 64, 2},
                               {270, 112, 96, 2}})
    blocks(report, work);
}

}  // namespace lemur
