// The kernels of lemur/kernels against LibTorch's operations.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "bench/benches.h"
#include "lemur/kernels/gelu.h"
#include "lemur/kernels/int8_product.h"
#include "lemur/kernels/packed_attention.h"
#include "lemur/kernels/packed_blocks.h"
#include "lemur/kernels/product.h"
#include "lemur/kernels/ragged_rows.h"
#include "lemur/nn/encoder.h"
#include "lemur/nn/int8_layers.h"
#include "lemur/nn/rankmixer.h"
#include "lemur/simd/matrix_product.h"
#include "lemur/tables/memory_bank.h"

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

/// [256, k] [k, n]: as they are, and with one of them transposed, as a gradient takes them.
void products(Report& report) {
  constexpr int64_t kRows = 256, kCalls = 200;
  for (auto [n, k] : {std::pair<int64_t, int64_t>{384, 128}, {512, 128}, {128, 512}, {64, 64}}) {
    const torch::Tensor a = torch::randn({kRows, k}), b = torch::randn({k, n}),
                        turned_a = torch::randn({k, kRows}), turned_b = torch::randn({n, k});
    torch::Tensor c = torch::empty({kRows, n});
    const double flops = 2.0 * kRows * static_cast<double>(n * k * kCalls);
    const auto ours = [&](const MatrixView<float>& left, const MatrixView<float>& right) {
      for (int64_t i = 0; i < kCalls; ++i)
        multiply<float>(kRows, n, k, left, right, c.data_ptr<float>(), n, false);
    };
    const auto theirs = [&](const torch::Tensor& left, const torch::Tensor& right) {
      for (int64_t i = 0; i < kCalls; ++i) torch::mm_out(c, left, right);
    };
    const MatrixView<float> left{a.data_ptr<float>(), k}, right{b.data_ptr<float>(), n},
        turned_left{turned_a.data_ptr<float>(), 1, kRows},
        turned_right{turned_b.data_ptr<float>(), 1, k};
    const std::string title =
        fmt::format("product [{}, {}] [{}, {}], one thread, {} calls", kRows, k, k, n, kCalls);
    report.alternate("kernels", title,
                     {{"multiply", [&] { ours(left, right); }, flops},
                      {"LibTorch's mm (BLAS)", [&] { theirs(a, b); }, flops}});
    report.alternate("kernels", title + ", B transposed",
                     {{"multiply", [&] { ours(left, turned_right); }, flops},
                      {"LibTorch's mm (BLAS)", [&] { theirs(a, turned_b.t()); }, flops}});
    report.alternate("kernels", title + ", A transposed",
                     {{"multiply", [&] { ours(turned_left, right); }, flops},
                      {"LibTorch's mm (BLAS)", [&] { theirs(turned_a.t(), b); }, flops}});
  }
}

/// What is done row by row, one thread, in the cache.
void row_operations(Report& report) {
  constexpr int64_t kRows = 256, kWidth = 128, kCalls = 50;
  torch::NoGradGuard no_gradient;
  const torch::Tensor x = torch::randn({kRows, kWidth}), gain = torch::randn({kWidth}),
                      bias = torch::randn({kWidth});
  const auto compare = [&](const std::string& name, const std::function<void()>& ours,
                           const std::string& library, const std::function<void()>& theirs) {
    const auto repeat = [](const std::function<void()>& call) {
      return [call] {
        for (int64_t i = 0; i < kCalls; ++i) call();
      };
    };
    report.alternate("kernels", name + fmt::format(", one thread, {} calls", kCalls),
                     {{"ours", repeat(ours)}, {library, repeat(theirs)}});
  };
  compare(
      "LayerNorm of [256, 128]", [&] { normalize(x, gain, bias); }, "LibTorch's layer_norm",
      [&] { torch::layer_norm(x, {kWidth}, gain, bias); });
  compare(
      "GELU of [256, 128]", [&] { pointwise_gelu(x); }, "LibTorch's gelu", [&] { torch::gelu(x); });
  compare(
      "softmax of [256, 128]",
      [&] {
        torch::Tensor result = x.clone();
        softmax_rows({kRows, kWidth}, kWidth, result.data_ptr<float>());
      },
      "LibTorch's softmax", [&] { torch::softmax(x, -1); });
}

/// Texts of one length, so that LibTorch's products of batches fit them.
void attention(Report& report) {
  constexpr int64_t kTexts = 16, kLength = 112, kHeads = 4, kWidth = 128, kHead = kWidth / kHeads;
  const torch::Tensor qkv = torch::randn({kTexts * kLength, 3 * kWidth}).set_requires_grad(true),
                      offsets = torch::arange(kTexts + 1, torch::kInt64) * kLength;
  const auto composed = [&] {
    const torch::Tensor parts =
        qkv.view({kTexts, kLength, 3, kHeads, kHead}).permute({2, 0, 3, 1, 4});
    const torch::Tensor p = torch::softmax(
        parts[0].matmul(parts[1].transpose(-2, -1)) / std::sqrt(static_cast<double>(kHead)), -1);
    return p.matmul(parts[2]).transpose(1, 2).reshape({kTexts * kLength, kWidth});
  };
  for (bool backward : {false, true}) {
    const auto run = [backward](const std::function<torch::Tensor()>& call) {
      return [call, backward] {
        torch::AutoGradMode mode(backward);
        const torch::Tensor result = call();
        if (backward) result.sum().backward();
      };
    };
    report.alternate(
        "kernels",
        fmt::format("attention in {} texts of {} tokens, {} heads of {}, {}", kTexts, kLength,
                    kHeads, kHead, backward ? "forward and backward" : "forward"),
        {{"packed_attention", run([&] { return packed_attention(qkv, offsets, kHeads); })},
         {"LibTorch's matmul and softmax", run(composed)}});
  }
}

/// Histories of one length over rows of a shared table.
void histories(Report& report) {
  constexpr int64_t kSamples = 64, kLength = 1000, kRows = 20000, kWidth = 128;
  torch::NoGradGuard no_gradient;
  const torch::Tensor vectors = torch::randn({kSamples, kWidth}),
                      rows = torch::randn({kRows, kWidth}),
                      index = torch::randint(kRows, {kSamples * kLength}, torch::kInt64),
                      offsets = torch::arange(kSamples + 1, torch::kInt64) * kLength;
  report.alternate(
      "kernels",
      fmt::format("dots with {} rows each of {} samples, width {}", kLength, kSamples, kWidth),
      {{"ragged_dots", [&] { ragged_dots(vectors, rows, offsets, index); }},
       {"LibTorch's index_select and bmm", [&] {
          rows.index_select(0, index).view({kSamples, kLength, kWidth}).bmm(vectors.unsqueeze(2));
        }}});
  const torch::Tensor weights = torch::randn({kSamples * kLength});
  torch::Tensor sums = torch::empty({kSamples, kWidth});
  report.alternate(
      "kernels",
      fmt::format("sums of {} rows each of {} samples, width {}", kLength, kSamples, kWidth),
      {{"row_sum",
        [&] {
          at::parallel_for(0, kSamples, 1, [&](int64_t first, int64_t last) {
            for (int64_t b = first; b < last; ++b)
              row_sum(weights.data_ptr<float>() + b * kLength, row_table<float>(rows),
                      {index.data_ptr<int64_t>() + b * kLength, kLength},
                      sums.data_ptr<float>() + b * kWidth);
          });
        }},
       {"LibTorch's index_select and bmm", [&] {
          weights.view({kSamples, 1, kLength})
              .bmm(rows.index_select(0, index).view({kSamples, kLength, kWidth}));
        }}});
  MemoryBank bank(kWidth);
  std::vector<uint64_t> keys(kRows);
  std::iota(keys.begin(), keys.end(), 0);
  std::vector<int32_t> places(kRows);
  bank.write(keys, rows, 0, places);
  const torch::Tensor halves = rows.to(torch::kFloat16), some = index.narrow(0, 0, kLength);
  std::vector<int32_t> wanted;
  for (int64_t i = 0; i < kLength; ++i)
    wanted.push_back(places[static_cast<size_t>(some.data_ptr<int64_t>()[i])]);
  report.alternate("kernels",
                   fmt::format("{} rows of float16, width {}, to float32", kLength, kWidth),
                   {{"MemoryBank::gather", [&] { bank.gather(wanted); }},
                    {"LibTorch's index_select and to",
                     [&] { halves.index_select(0, some).to(torch::kFloat32); }}});
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
  if (Int8Weights::are_supported()) use_int8(*int8);
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
  std::vector<Variant> variants = {{"rankmixer_block", [&] { block(x); }, flops},
                                   {"LibTorch's operations", composed, flops}};
  if (Int8Weights::are_supported())
    variants.push_back({.name = "rankmixer_block, int8",
                        .call = [&] { int8(x); },
                        .flops = flops,
                        .below_roof = false});
  report.alternate("kernels", fmt::format("RankMixer block of {} samples, inference", samples),
                   variants);
}

}  // namespace

void bench_kernels(Report& report) {
  at::set_num_threads(1);
  report.roof(1);
  products(report);
  row_operations(report);
  at::set_num_threads(report.options().threads);
  report.roof(report.options().threads);
  attention(report);
  histories(report);
  for (int64_t samples : {100, 500}) mixing(report, samples);
  for (const Workload& work : {Workload{270, 112, 128, 4},
                               {54, 112, 128, 4},
                               {270, 40, 64, 1},
                               {500, 8, 64, 2},
                               {270, 112, 96, 2}})
    blocks(report, work);
}

}  // namespace lemur
