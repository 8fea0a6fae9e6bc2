#include "lemur/kernels/packed_attention_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "lemur/simd/matrix_product.h"
#include "lemur/simd/padding.h"
#include "lemur/simd/row_functions.h"
#include "lemur/simd/scratch.h"

namespace lemur {
namespace {

constexpr int64_t kRowBlock = 96;  // query rows whose scores are held at a time

/// One head of one text, whose first `queries` rows attend. Rows of queries, keys and values are
/// `stride` apart.
template <typename T>
struct Head {
  const T *query, *key, *value;
  int64_t queries, length, width, stride;
  T scale;
};

template <typename T>
Head<T> head_of(const T* qkv, const AttentionShape& shape, int64_t head) {
  const int64_t width = shape.d / shape.heads;
  const T* query = qkv + head * width;
  return {query,
          query + shape.d,
          query + 2 * shape.d,
          shape.queries,
          shape.length,
          width,
          3 * shape.d,
          T(1 / std::sqrt(static_cast<double>(width)))};
}

/// Writes the transpose [width, rows] of [rows, width], times `scale`.
template <typename T>
void transpose(const T* from, int64_t stride, int64_t rows, int64_t width, T scale, T* to) {
  for (int64_t c = 0; c < width; ++c, to += rows)
    for (int64_t i = 0; i < rows; ++i) to[i] = from[i * stride + c] * scale;
}

template <typename T>
void attend_head(const T* qkv, const AttentionShape& shape, int64_t h, T* output) {
  const Head<T> head = head_of(qkv, shape, h);
  const int64_t length = head.length, columns = simd::padded<T>(length);
  Scratch<T> scratch{thread_buffer<T, AttentionShape>(head.width * length + kRowBlock * columns)};
  T *keys = scratch.take(head.width * length), *scores = scratch.take(kRowBlock * columns);
  transpose(head.key, head.stride, length, head.width, head.scale, keys);
  output += h * head.width;
  for (int64_t begin = 0; begin < head.queries; begin += kRowBlock) {
    const int64_t rows = std::min(kRowBlock, head.queries - begin);
    multiply<T>(rows, length, head.width, {head.query + begin * head.stride, head.stride},
                {keys, length}, scores, columns, false);
    softmax_rows({rows, length}, columns, scores);
    multiply<T>(rows, head.width, length, {scores, columns}, {head.value, head.stride},
                output + begin * shape.d, shape.d, false);
  }
}

template <typename T>
void attend_backward_head(const T* qkv, const AttentionShape& shape, int64_t h,
                          const T* grad_output, T* grad_qkv) {
  const Head<T> head = head_of(qkv, shape, h);
  const int64_t length = head.length, width = head.width, columns = simd::padded<T>(length);
  Scratch<T> scratch{
      thread_buffer<T, AttentionShape>(2 * width * length + 2 * kRowBlock * columns)};
  T *keys = scratch.take(width * length), *values = scratch.take(width * length);
  T *p = scratch.take(kRowBlock * columns), *ds = scratch.take(kRowBlock * columns);
  transpose(head.key, head.stride, length, width, head.scale, keys);
  transpose(head.value, head.stride, length, width, T(1), values);
  grad_output += h * width;
  T *grad_query = grad_qkv + h * width, *grad_key = grad_query + shape.d,
    *grad_value = grad_key + shape.d;
  for (int64_t begin = 0; begin < head.queries; begin += kRowBlock) {
    const int64_t rows = std::min(kRowBlock, head.queries - begin);
    const T *query = head.query + begin * head.stride, *gradient = grad_output + begin * shape.d;
    multiply<T>(rows, length, width, {query, head.stride}, {keys, length}, p, columns, false);
    softmax_rows({rows, length}, columns, p);
    multiply<T>(rows, length, width, {gradient, shape.d}, {values, length}, ds, columns, false);
    softmax_backward_rows({rows, length}, columns, p, head.scale, ds);
    multiply<T>(rows, width, length, {ds, columns}, {head.key, head.stride},
                grad_query + begin * head.stride, head.stride, false);
    multiply<T>(length, width, rows, {ds, 1, columns}, {query, head.stride}, grad_key, head.stride,
                begin > 0);
    multiply<T>(length, width, rows, {p, 1, columns}, {gradient, shape.d}, grad_value, head.stride,
                begin > 0);
  }
}

/// Calls body(first row, shape, head) for all texts and heads, dealt to the threads in turn: texts
/// often come ordered by length. Every task writes an output of its own.
template <typename Body>
void for_each_head(const torch::Tensor& offsets, int64_t d, int64_t heads, const Body& body) {
  const int64_t* starts = offsets.data_ptr<int64_t>();
  const int64_t tasks = (offsets.numel() - 1) * heads;
  const int64_t workers = std::min<int64_t>(tasks, at::get_num_threads());
  at::parallel_for(0, workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker)
      for (int64_t task = worker; task < tasks; task += workers) {
        const int64_t first = starts[task / heads], length = starts[task / heads + 1] - first;
        body(first, AttentionShape{length, length, d, heads}, task % heads);
      }
  });
}

}  // namespace

void packed_attention_forward_cpu(const torch::Tensor& qkv, const torch::Tensor& offsets,
                                  int64_t heads, torch::Tensor& output) {
  const int64_t d = output.size(1);
  AT_DISPATCH_FLOATING_TYPES(qkv.scalar_type(), "packed_attention", [&] {
    using T = scalar_t;
    const T* input = qkv.data_ptr<T>();
    T* result = output.data_ptr<T>();
    for_each_head(offsets, d, heads, [&](int64_t first, const AttentionShape& shape, int64_t h) {
      attend_head(input + first * 3 * d, shape, h, result + first * d);
    });
  });
}

void packed_attention_backward_cpu(const torch::Tensor& qkv, const torch::Tensor& offsets,
                                   int64_t heads, const torch::Tensor& grad_output,
                                   torch::Tensor& grad_qkv) {
  const int64_t d = grad_output.size(1);
  AT_DISPATCH_FLOATING_TYPES(qkv.scalar_type(), "packed_attention_backward", [&] {
    using T = scalar_t;
    const T *input = qkv.data_ptr<T>(), *gradient = grad_output.data_ptr<T>();
    T* result = grad_qkv.data_ptr<T>();
    for_each_head(offsets, d, heads, [&](int64_t first, const AttentionShape& shape, int64_t h) {
      attend_backward_head(input + first * 3 * d, shape, h, gradient + first * d,
                           result + first * 3 * d);
    });
  });
}

template <typename T>
void attend(const T* qkv, const AttentionShape& shape, T* output) {
  for (int64_t h = 0; h < shape.heads; ++h) attend_head(qkv, shape, h, output);
}

template <typename T>
void attend_backward(const T* qkv, const AttentionShape& shape, const T* grad_output, T* grad_qkv) {
  for (int64_t h = 0; h < shape.heads; ++h)
    attend_backward_head(qkv, shape, h, grad_output, grad_qkv);
}

template void attend(const float*, const AttentionShape&, float*);
template void attend(const double*, const AttentionShape&, double*);
template void attend_backward(const float*, const AttentionShape&, const float*, float*);
template void attend_backward(const double*, const AttentionShape&, const double*, double*);

}  // namespace lemur
