#include "lemur/kernels/packed_attention_cpu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "lemur/kernels/simd.h"

namespace lemur {
namespace {

using simd::kLanes;
using simd::Vec;

constexpr int64_t kRowBlock = 32;  // query rows whose scores are held at a time

/// Adds A B to C [m, n], or writes it where `overwrite`. A's element (i, j) is
/// a[i * a_row + j * a_column]; B [k, n] and C have rows of `width` values, whole vectors.
template <typename T, int kRows>
LEMUR_INLINE void multiply_rows(const T* a, int64_t a_row, int64_t a_column, int64_t k, const T* b,
                                T* c, int64_t width, bool overwrite) {
  int64_t column = 0;
  for (; column + 2 * kLanes<T> <= width; column += 2 * kLanes<T>) {
    Vec<T> sums[kRows][2] = {};
    for (int64_t j = 0; j < k; ++j) {
      Vec<T> left, right;
      simd::load(left, b + j * width + column);
      simd::load(right, b + j * width + column + kLanes<T>);
      for (int row = 0; row < kRows; ++row) {
        const T factor = a[row * a_row + j * a_column];
        sums[row][0] += factor * left;
        sums[row][1] += factor * right;
      }
    }
    for (int row = 0; row < kRows; ++row)
      for (int half = 0; half < 2; ++half) {
        T* to = c + row * width + column + half * kLanes<T>;
        Vec<T> before{};
        if (!overwrite) simd::load(before, to);
        simd::store(to, before + sums[row][half]);
      }
  }
  if (column == width) return;
  Vec<T> sums[kRows] = {};
  for (int64_t j = 0; j < k; ++j) {
    Vec<T> right;
    simd::load(right, b + j * width + column);
    for (int row = 0; row < kRows; ++row) sums[row] += a[row * a_row + j * a_column] * right;
  }
  for (int row = 0; row < kRows; ++row) {
    Vec<T> before{};
    if (!overwrite) simd::load(before, c + row * width + column);
    simd::store(c + row * width + column, before + sums[row]);
  }
}

template <typename T>
LEMUR_INLINE void multiply(const T* a, int64_t a_row, int64_t a_column, int64_t m, int64_t k,
                           const T* b, T* c, int64_t width, bool overwrite) {
  int64_t row = 0;
  for (; row + 4 <= m; row += 4)
    multiply_rows<T, 4>(a + row * a_row, a_row, a_column, k, b, c + row * width, width, overwrite);
  for (; row < m; ++row)
    multiply_rows<T, 1>(a + row * a_row, a_row, a_column, k, b, c + row * width, width, overwrite);
}

/// One head of one text, whose first `queries` rows attend. Rows of queries, keys and values are
/// `stride` apart.
template <typename T>
struct Head {
  const T *query, *key, *value;
  int64_t queries, length, width, stride;
  T scale;
};

/// Copies [rows, width] into rows of padded(width), times `scale`, zeros behind.
template <typename T>
LEMUR_INLINE void copy_rows(const T* from, int64_t stride, int64_t rows, int64_t width, T scale,
                            T* to) {
  const int64_t padded = simd::padded<T>(width);
  for (int64_t i = 0; i < rows; ++i, to += padded) {
    for (int64_t c = 0; c < width; ++c) to[c] = from[i * stride + c] * scale;
    for (int64_t c = width; c < padded; ++c) to[c] = 0;
  }
}

/// Writes the transpose [width, padded(rows)] of [rows, width], zeros behind.
template <typename T>
LEMUR_INLINE void copy_transposed(const T* from, int64_t stride, int64_t rows, int64_t width,
                                  T* to) {
  const int64_t padded = simd::padded<T>(rows);
  for (int64_t c = 0; c < width; ++c, to += padded) {
    for (int64_t i = 0; i < rows; ++i) to[i] = from[i * stride + c];
    for (int64_t i = rows; i < padded; ++i) to[i] = 0;
  }
}

/// Hands out parts of a buffer that grows and is kept by its thread.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t size) {
    if (static_cast<int64_t>(buffer().size()) < size) buffer().resize(static_cast<size_t>(size));
    next_ = buffer().data();
  }

  T* take(int64_t size) {
    T* part = next_;
    next_ += size;
    return part;
  }

 private:
  static std::vector<T>& buffer() {
    static thread_local std::vector<T> values;
    return values;
  }

  T* next_;
};

template <typename T>
struct ForwardScratch {
  T *key_transposed, *value, *scores, *output;
};

template <typename T>
LEMUR_INLINE void forward_head(const Head<T>& head, const ForwardScratch<T>& scratch, T* output,
                               int64_t output_stride) {
  const int64_t columns = simd::padded<T>(head.length), width = simd::padded<T>(head.width);
  copy_transposed(head.key, head.stride, head.length, head.width, scratch.key_transposed);
  copy_rows(head.value, head.stride, head.length, head.width, T(1), scratch.value);
  for (int64_t begin = 0; begin < head.queries; begin += kRowBlock) {
    const int64_t rows = std::min(kRowBlock, head.queries - begin);
    multiply(head.query + begin * head.stride, head.stride, 1, rows, head.width,
             scratch.key_transposed, scratch.scores, columns, true);
    for (int64_t i = 0; i < rows; ++i) {
      T* scores = scratch.scores + i * columns;
      for (int64_t j = 0; j < columns; ++j) scores[j] *= head.scale;
      simd::softmax(scores, head.length);
    }
    multiply(scratch.scores, columns, 1, rows, head.length, scratch.value, scratch.output, width,
             true);
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(scratch.output + i * width, head.width, output + (begin + i) * output_stride);
  }
}

template <typename T>
struct BackwardScratch {
  T *key_transposed, *value_transposed, *key, *query, *grad_output;
  T *probabilities, *grad_scores, *grad_query, *grad_key, *grad_value;
};

/// Writes the gradients of queries, keys and values, laid out like them, to `grad_query`, which
/// `d` and `2 * d` values later are those of keys and values.
template <typename T>
LEMUR_INLINE void backward_head(const Head<T>& head, const BackwardScratch<T>& scratch,
                                const T* grad_output, int64_t d, T* grad_query) {
  const int64_t length = head.length, width = simd::padded<T>(head.width);
  const int64_t columns = simd::padded<T>(length);
  copy_transposed(head.key, head.stride, length, head.width, scratch.key_transposed);
  copy_transposed(head.value, head.stride, length, head.width, scratch.value_transposed);
  copy_rows(head.key, head.stride, length, head.width, head.scale, scratch.key);
  copy_rows(head.query, head.stride, head.queries, head.width, head.scale, scratch.query);
  copy_rows(grad_output, d, head.queries, head.width, T(1), scratch.grad_output);
  std::fill_n(scratch.grad_key, length * width, T(0));
  std::fill_n(scratch.grad_value, length * width, T(0));
  for (int64_t begin = 0; begin < head.queries; begin += kRowBlock) {
    const int64_t rows = std::min(kRowBlock, head.queries - begin);
    const T* block_query = scratch.query + begin * width;
    const T* block_grad = scratch.grad_output + begin * width;
    multiply(block_query, width, 1, rows, head.width, scratch.key_transposed, scratch.probabilities,
             columns, true);
    multiply(block_grad, width, 1, rows, head.width, scratch.value_transposed, scratch.grad_scores,
             columns, true);
    for (int64_t i = 0; i < rows; ++i) {
      T *p = scratch.probabilities + i * columns, *ds = scratch.grad_scores + i * columns;
      simd::softmax(p, length);
      const T mean = simd::dot(p, ds, columns);
      for (int64_t j = 0; j < columns; ++j) ds[j] = p[j] * (ds[j] - mean);
    }
    multiply(scratch.grad_scores, columns, 1, rows, length, scratch.key, scratch.grad_query, width,
             true);
    multiply(scratch.grad_scores, 1, columns, length, rows, block_query, scratch.grad_key, width,
             false);
    multiply(scratch.probabilities, 1, columns, length, rows, block_grad, scratch.grad_value, width,
             false);
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(scratch.grad_query + i * width, head.width,
                  grad_query + (begin + i) * head.stride);
  }
  for (int64_t j = 0; j < length; ++j) {
    std::copy_n(scratch.grad_key + j * width, head.width, grad_query + d + j * head.stride);
    std::copy_n(scratch.grad_value + j * width, head.width, grad_query + 2 * d + j * head.stride);
  }
}

LEMUR_MULTIVERSION void run(const Head<float>& head, const ForwardScratch<float>& scratch,
                            float* output, int64_t stride) {
  forward_head(head, scratch, output, stride);
}

void run(const Head<double>& head, const ForwardScratch<double>& scratch, double* output,
         int64_t stride) {
  forward_head(head, scratch, output, stride);
}

LEMUR_MULTIVERSION void run(const Head<float>& head, const BackwardScratch<float>& scratch,
                            const float* grad_output, int64_t d, float* grad_query) {
  backward_head(head, scratch, grad_output, d, grad_query);
}

void run(const Head<double>& head, const BackwardScratch<double>& scratch,
         const double* grad_output, int64_t d, double* grad_query) {
  backward_head(head, scratch, grad_output, d, grad_query);
}

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

template <typename T>
void attend_head(const T* qkv, const AttentionShape& shape, int64_t h, T* output) {
  const Head<T> head = head_of(qkv, shape, h);
  const int64_t columns = simd::padded<T>(head.length), vectors = simd::padded<T>(head.width);
  const int64_t keys = head.width * columns, values = head.length * vectors;
  Scratch<T> scratch(keys + values + kRowBlock * (columns + vectors));
  run(head,
      ForwardScratch<T>{.key_transposed = scratch.take(keys),
                        .value = scratch.take(values),
                        .scores = scratch.take(kRowBlock * columns),
                        .output = scratch.take(kRowBlock * vectors)},
      output + h * head.width, shape.d);
}

template <typename T>
void attend_backward_head(const T* qkv, const AttentionShape& shape, int64_t h,
                          const T* grad_output, T* grad_qkv) {
  const Head<T> head = head_of(qkv, shape, h);
  const int64_t columns = simd::padded<T>(head.length), vectors = simd::padded<T>(head.width);
  const int64_t transposed = head.width * columns, rows = head.length * vectors;
  Scratch<T> scratch(2 * transposed + 5 * rows + kRowBlock * (2 * columns + vectors));
  run(head,
      BackwardScratch<T>{.key_transposed = scratch.take(transposed),
                         .value_transposed = scratch.take(transposed),
                         .key = scratch.take(rows),
                         .query = scratch.take(rows),
                         .grad_output = scratch.take(rows),
                         .probabilities = scratch.take(kRowBlock * columns),
                         .grad_scores = scratch.take(kRowBlock * columns),
                         .grad_query = scratch.take(kRowBlock * vectors),
                         .grad_key = scratch.take(rows),
                         .grad_value = scratch.take(rows)},
      grad_output + h * head.width, shape.d, grad_qkv + (head.query - qkv));
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
