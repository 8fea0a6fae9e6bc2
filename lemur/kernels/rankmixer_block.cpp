#include "lemur/kernels/rankmixer_block.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/simd/matrix_product.h"
#include "lemur/simd/row_functions.h"
#include "lemur/simd/scratch.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr int64_t kBlockRows =
    4;  // rows of a block are a multiple, so that products take few rests

/// Writes y [rows, n] = x W^T + b of one token.
void linear_rows(const TokenLinearWeights& weights, int64_t token, int64_t rows, const float* x,
                 float* y) {
  const int64_t n = weights.weight.size(1), k = weights.weight.size(2);
  const float* bias = weights.bias.data_ptr<float>() + token * n;
  if (weights.int8 != nullptr) return weights.int8->product_rows(token, rows, x, bias, y);
  const float* weight = weights.weight.data_ptr<float>() + token * n * k;
  multiply<float>(rows, n, k, {x, k}, {weight, 1, k}, y, n, /*add=*/false, bias);
}

void normalise(const LayerNormWeights& weights, int64_t rows, float* x) {
  layer_norm_rows({rows, weights.gain.size(0)}, x, weights.gain.data_ptr<float>(),
                  weights.bias.data_ptr<float>(), x);
}

/// Tokens [T, B, width].
struct Tokens {
  const float* x;
  int64_t tokens, samples, width;
};

/// Writes mix(x) + x of one token's rows from `first`.
void mix_rows(const Tokens& from, int64_t token, int64_t first, int64_t rows, float* y) {
  const int64_t width = from.width, head = width / from.tokens;
  const float* own = from.x + (token * from.samples + first) * width;
  for (int64_t t = 0; t < from.tokens; ++t)
    add_matrices({rows, head}, {from.x + (t * from.samples + first) * width + token * head, width},
                 {own + t * head, width}, y + t * head, width);
}

void check(const Tensor& x, const RankMixerBlockWeights& weights) {
  const bool is_fit = x.dim() == 3 && x.scalar_type() == torch::kFloat32 && x.is_cpu() &&
                      x.is_contiguous() && x.size(0) > 0 && x.size(2) % x.size(0) == 0;
  if (!is_fit)
    fail<InvalidArgument>("rankmixer_block", "x is [{}] of {}", fmt::join(x.sizes(), ", "),
                          toString(x.scalar_type()));
  const int64_t tokens = x.size(0), width = x.size(2),
                hidden = weights.ffn_input.bias.dim() == 2 ? weights.ffn_input.bias.size(1) : 0;
  const auto expect = [&](const Tensor& tensor, at::IntArrayRef sizes) {
    if (tensor.sizes() != sizes || !tensor.is_contiguous() ||
        tensor.scalar_type() != torch::kFloat32)
      fail<InvalidArgument>("rankmixer_block", "weights [{}] of {} for x [{}]",
                            fmt::join(tensor.sizes(), ", "), toString(tensor.scalar_type()),
                            fmt::join(x.sizes(), ", "));
  };
  expect(weights.ffn_input.weight, {tokens, hidden, width});
  expect(weights.ffn_input.bias, {tokens, hidden});
  expect(weights.ffn_output.weight, {tokens, width, hidden});
  expect(weights.ffn_output.bias, {tokens, width});
  for (const LayerNormWeights& norm : {weights.mix_norm, weights.ffn_norm}) {
    expect(norm.gain, {width});
    expect(norm.bias, {width});
  }
}

}  // namespace

Tensor rankmixer_block(const Tensor& x, const RankMixerBlockWeights& weights) {
  check(x, weights);
  const Tokens from{x.data_ptr<float>(), x.size(0), x.size(1), x.size(2)};
  const int64_t samples = from.samples, width = from.width, hidden = weights.ffn_input.bias.size(1);
  Tensor result = torch::empty_like(x);
  if (samples == 0) return result;
  // Blocks of about the same size.
  const int64_t wanted = (samples + Int8Weights::kMostRows - 1) / Int8Weights::kMostRows,
                most = (samples + wanted * kBlockRows - 1) / (wanted * kBlockRows) * kBlockRows,
                blocks = (samples + most - 1) / most;
  at::parallel_for(0, from.tokens * blocks, 1, [&](int64_t begin, int64_t end) {
    Scratch<float> scratch{thread_buffer<float, RankMixerBlockWeights>(most * (width + hidden))};
    float *mixed = scratch.take(most * width), *values = scratch.take(most * hidden);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t token = task / blocks, first = task % blocks * most,
                    rows = std::min(most, samples - first);
      float* to = result.data_ptr<float>() + (token * samples + first) * width;
      mix_rows(from, token, first, rows, mixed);
      normalise(weights.mix_norm, rows, mixed);
      linear_rows(weights.ffn_input, token, rows, mixed, values);
      gelu_values(rows * hidden, values, values);
      linear_rows(weights.ffn_output, token, rows, values, to);
      add_matrices({1, rows * width}, {to, 0}, {mixed, 0}, to, 0);
      normalise(weights.ffn_norm, rows, to);
    }
  });
  return result;
}

}  // namespace lemur
