#include "lemur/kernels/packed_blocks_cpu.h"

#include <algorithm>

#include "lemur/kernels/packed_attention_cpu.h"
#include "lemur/simd/matrix_product.h"
#include "lemur/simd/row_functions.h"
#include "lemur/simd/scratch.h"

namespace lemur {
namespace {

/// Adds x W' to y [count, output], W' of `turned` [input, output].
template <typename T>
void add_product(int64_t count, int64_t input, int64_t output, const T* x, const T* turned,
                 int64_t turned_stride, T* y, int64_t stride) {
  multiply<T>(count, output, input, {x, input}, {turned, turned_stride}, y, stride, true);
}

/// y [count, output] = x W' + b.
template <typename T>
void linear(int64_t count, int64_t input, int64_t output, const T* x, const T* turned,
            int64_t turned_stride, const T* bias, T* y, int64_t stride) {
  multiply<T>(count, output, input, {x, input}, {turned, turned_stride}, y, stride, false, bias);
}

/// Adds to the gradients of weight [output, input] and bias, and writes that of x.
template <typename T>
void linear_backward(int64_t count, int64_t input, int64_t output, const T* x, const T* weight,
                     const T* dy, int64_t stride, T* dx, T* dweight, T* dbias) {
  multiply<T>(output, input, count, {dy, 1, stride}, {x, input}, dweight, input, true);
  add_rows({count, output}, dy, stride, dbias);
  multiply<T>(count, input, output, {dy, stride}, {weight, input}, dx, input, false);
}

template <typename T>
void gather_first(const Chunk& chunk, int64_t width, int64_t stride, const T* from, T* to) {
  for (int64_t i = 0; i < chunk.texts(); ++i)
    std::copy_n(from + chunk.starts[static_cast<size_t>(i)] * stride, width, to + i * width);
}

/// Calls body(shape, first row, first row of what has a row for each query) for every text.
template <typename Body>
void for_each_text(const Chunk& chunk, const BlockShape& shape, bool narrow, const Body& body) {
  for (int64_t i = 0; i < chunk.texts(); ++i) {
    const int64_t first = chunk.starts[static_cast<size_t>(i)];
    const int64_t length = chunk.starts[static_cast<size_t>(i) + 1] - first;
    body(AttentionShape{narrow ? 1 : length, length, shape.d, shape.heads}, first,
         narrow ? i : first);
  }
}

}  // namespace

int64_t forward_scratch(const BlockShape& shape) { return 2 * shape.d + shape.hidden; }

int64_t backward_scratch(const BlockShape& shape) { return 9 * shape.d + 2 * shape.hidden; }

template <typename T>
void forward_block(const Chunk& chunk, const BlockShape& shape, bool narrow,
                   const BlockPointers<const T>& p, const T* x, const BlockStates<T>& states,
                   T* scratch, T* output) {
  const int64_t d = shape.d, rows = chunk.rows(), kept = narrow ? chunk.texts() : rows;
  Scratch<T> parts{scratch};
  T *normal = parts.take(rows * d), *first = parts.take(kept * d),
    *activated = parts.take(kept * shape.hidden);

  layer_norm_rows({rows, d}, x, p[kAttentionNormGain], p[kAttentionNormBias], normal);
  if (narrow) {
    linear(rows, d, 2 * d, normal, p[kQkvWeight] + d, 3 * d, p[kQkvBias] + d, states.qkv + d,
           3 * d);
    gather_first(chunk, d, d, normal, first);
    linear(kept, d, d, first, p[kQkvWeight], 3 * d, p[kQkvBias], states.middle, d);
    for (int64_t i = 0; i < kept; ++i)
      std::copy_n(states.middle + i * d, d,
                  states.qkv + chunk.starts[static_cast<size_t>(i)] * 3 * d);
    gather_first(chunk, d, d, x, first);
    x = first;
  } else {
    linear(rows, d, 3 * d, normal, p[kQkvWeight], 3 * d, p[kQkvBias], states.qkv, 3 * d);
  }
  for_each_text(chunk, shape, narrow, [&](const AttentionShape& text, int64_t row, int64_t query) {
    attend<T>(states.qkv + row * 3 * d, text, states.attended + query * d);
  });

  add_row({kept, d}, x, p[kAttentionOutputBias], states.middle);
  add_product(kept, d, d, states.attended, p[kAttentionOutputWeight], d, states.middle, d);
  layer_norm_rows({kept, d}, states.middle, p[kFfnNormGain], p[kFfnNormBias], normal);
  linear(kept, d, shape.hidden, normal, p[kFfnInputWeight], shape.hidden, p[kFfnInputBias],
         states.hidden, shape.hidden);
  gelu_values(kept * shape.hidden, states.hidden, activated);
  add_row({kept, d}, states.middle, p[kFfnOutputBias], output);
  add_product(kept, shape.hidden, d, activated, p[kFfnOutputWeight], d, output, d);
}

template <typename T>
void backward_block(const Chunk& chunk, const BlockShape& shape, bool narrow,
                    const BlockPointers<const T>& p, const T* x, const BlockStates<T>& states,
                    const T* grad_output, T* scratch, T* grad_x, const BlockPointers<T>& g) {
  const int64_t d = shape.d, hidden = shape.hidden;
  const int64_t rows = chunk.rows(), kept = narrow ? chunk.texts() : rows;
  Scratch<T> parts{scratch};
  T *normal = parts.take(rows * d), *grad_normal = parts.take(rows * d),
    *grad_middle = parts.take(kept * d), *grad_attended = parts.take(kept * d),
    *grad_qkv = parts.take(rows * 3 * d), *activated = parts.take(kept * hidden),
    *grad_hidden = parts.take(kept * hidden);

  // The feed-forward network.
  gelu_values(kept * hidden, states.hidden, activated);
  linear_backward(kept, hidden, d, activated, p[kFfnOutputWeight], grad_output, d, grad_hidden,
                  g[kFfnOutputWeight], g[kFfnOutputBias]);
  gelu_backward_values(kept * hidden, states.hidden, grad_hidden);
  layer_norm_rows({kept, d}, states.middle, p[kFfnNormGain], p[kFfnNormBias], normal);
  linear_backward(kept, d, hidden, normal, p[kFfnInputWeight], grad_hidden, hidden, grad_normal,
                  g[kFfnInputWeight], g[kFfnInputBias]);
  std::copy_n(grad_output, kept * d, grad_middle);
  layer_norm_backward_rows({kept, d}, states.middle, p[kFfnNormGain], grad_normal, grad_middle,
                           g[kFfnNormGain], g[kFfnNormBias]);

  // The attention.
  linear_backward(kept, d, d, states.attended, p[kAttentionOutputWeight], grad_middle, d,
                  grad_attended, g[kAttentionOutputWeight], g[kAttentionOutputBias]);
  for_each_text(chunk, shape, narrow, [&](const AttentionShape& text, int64_t row, int64_t query) {
    attend_backward<T>(states.qkv + row * 3 * d, text, grad_attended + query * d,
                       grad_qkv + row * 3 * d);
  });
  layer_norm_rows({rows, d}, x, p[kAttentionNormGain], p[kAttentionNormBias], normal);
  if (narrow) {
    linear_backward(rows, d, 2 * d, normal, p[kQkvWeight] + d * d, grad_qkv + d, 3 * d, grad_normal,
                    g[kQkvWeight] + d * d, g[kQkvBias] + d);
    T *first = parts.take(kept * d), *grad_first = parts.take(kept * d);
    gather_first(chunk, d, d, normal, first);
    T* grad_query = grad_attended;  // which is not needed any more
    gather_first(chunk, d, 3 * d, grad_qkv, grad_query);
    linear_backward(kept, d, d, first, p[kQkvWeight], grad_query, d, grad_first, g[kQkvWeight],
                    g[kQkvBias]);
    std::fill_n(grad_x, rows * d, T(0));
    for (int64_t i = 0; i < kept; ++i) {
      const int64_t row = chunk.starts[static_cast<size_t>(i)];
      for (int64_t c = 0; c < d; ++c) grad_normal[row * d + c] += grad_first[i * d + c];
      std::copy_n(grad_middle + i * d, d, grad_x + row * d);
    }
  } else {
    linear_backward(rows, d, 3 * d, normal, p[kQkvWeight], grad_qkv, 3 * d, grad_normal,
                    g[kQkvWeight], g[kQkvBias]);
    std::copy_n(grad_middle, rows * d, grad_x);
  }
  layer_norm_backward_rows({rows, d}, x, p[kAttentionNormGain], grad_normal, grad_x,
                           g[kAttentionNormGain], g[kAttentionNormBias]);
}

template void forward_block(const Chunk&, const BlockShape&, bool,
                            const BlockPointers<const float>&, const float*,
                            const BlockStates<float>&, float*, float*);
template void forward_block(const Chunk&, const BlockShape&, bool,
                            const BlockPointers<const double>&, const double*,
                            const BlockStates<double>&, double*, double*);
template void backward_block(const Chunk&, const BlockShape&, bool,
                             const BlockPointers<const float>&, const float*,
                             const BlockStates<float>&, const float*, float*, float*,
                             const BlockPointers<float>&);
template void backward_block(const Chunk&, const BlockShape&, bool,
                             const BlockPointers<const double>&, const double*,
                             const BlockStates<double>&, const double*, double*, double*,
                             const BlockPointers<double>&);

}  // namespace lemur
