#include "lemur/kernels/text_mean.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/ragged_rows.h"
#include "lemur/kernels/row_check.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 8;  // texts

/// Calls body(text, its first row, [number of rows] listing them) for every text, on all threads.
template <typename Body>
void for_each_text(const Tensor& offsets, const Body& body) {
  const auto* begin = offsets.data_ptr<int64_t>();
  at::parallel_for(0, offsets.numel() - 1, kGrain, [&](int64_t from, int64_t to) {
    std::vector<int64_t> rows;
    for (int64_t i = from; i < to; ++i) {
      rows.resize(static_cast<size_t>(begin[i + 1] - begin[i]));
      std::iota(rows.begin(), rows.end(), begin[i]);
      body(i, begin[i], std::span<const int64_t>(rows));
    }
  });
}

template <typename T>
void forward_rows(const Tensor& x, const Tensor& logits, const Tensor& offsets, Tensor& weights,
                  Tensor& means) {
  const int64_t width = x.size(1);
  for_each_text(offsets, [&](int64_t text, int64_t first, std::span<const int64_t> rows) {
    const auto count = std::ssize(rows);
    // softmax_rows fills up to a multiple of its vectors.
    std::vector<T> softmax(static_cast<size_t>(simd::padded<T>(count)));
    std::copy_n(logits.data_ptr<T>() + first, count, softmax.data());
    softmax_rows({1, count}, std::ssize(softmax), softmax.data());
    std::copy_n(softmax.data(), count, weights.data_ptr<T>() + first);
    row_sum(softmax.data(), row_table<T>(x), rows, means.data_ptr<T>() + text * width);
  });
}

template <typename T>
void backward_rows(const Tensor& x, const Tensor& weights, const Tensor& means,
                   const Tensor& offsets, const Tensor& given, Tensor& dx, Tensor& dlogits) {
  const int64_t width = x.size(1);
  const int64_t zero = 0;
  for_each_text(offsets, [&](int64_t text, int64_t first, std::span<const int64_t> rows) {
    const T* of_mean = given.data_ptr<T>() + text * width;
    const T* weight = weights.data_ptr<T>() + first;
    T* logit = dlogits.data_ptr<T>() + first;
    T mean_dot;
    row_dots(of_mean, {means.data_ptr<T>() + text * width, width, width},
             std::span<const int64_t>(&zero, 1), &mean_dot);
    row_dots(of_mean, row_table<T>(x), rows, logit);
    for (size_t j = 0; j < rows.size(); ++j) {
      logit[j] = weight[j] * (logit[j] - mean_dot);
      T* of_row = dx.data_ptr<T>() + rows[j] * width;
      for (int64_t c = 0; c < width; ++c) of_row[c] = weight[j] * of_mean[c];
    }
  });
}

template <typename Body>
void with_type(const Tensor& x, const Body& body) {
  x.scalar_type() == torch::kFloat64 ? body(double()) : body(float());
}

class TextMeans : public torch::autograd::Function<TextMeans> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& logits,
                        const Tensor& offsets) {
    Tensor weights = torch::empty_like(logits),
           means = torch::empty({offsets.numel() - 1, x.size(1)}, x.options());
    with_type(x,
              [&](auto type) { forward_rows<decltype(type)>(x, logits, offsets, weights, means); });
    context->save_for_backward({x, weights, means, offsets});
    return means;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor given = gradients[0].contiguous();
    Tensor dx = torch::empty_like(saved[0]), dlogits = torch::empty_like(saved[1]);
    with_type(given, [&](auto type) {
      backward_rows<decltype(type)>(saved[0], saved[1], saved[2], saved[3], given, dx, dlogits);
    });
    return {dx, dlogits, Tensor()};
  }
};

void check(const Tensor& x, const Tensor& logits) {
  if (x.dim() != 2 || logits.dim() != 1 || logits.size(0) != x.size(0))
    fail<InvalidArgument>("text_mean", "x is [{}], logits [{}]; expected [total, w] and [total]",
                          fmt::join(x.sizes(), ", "), fmt::join(logits.sizes(), ", "));
}

}  // namespace

Tensor text_means(const Tensor& x, const Tensor& logits, const Tensor& offsets) {
  if (!x.device().is_cpu()) return text_means_reference(x, logits, offsets);
  check(x, logits);
  return TextMeans::apply(x.contiguous(), logits.contiguous(),
                          checked_full_offsets("text_mean", offsets, x.size(0)));
}

Tensor text_means_reference(const Tensor& x, const Tensor& logits, const Tensor& offsets) {
  check(x, logits);
  const Tensor starts = checked_full_offsets("text_mean", offsets, x.size(0));
  const int64_t count = starts.numel() - 1;
  const Tensor text =
      torch::arange(count, torch::kInt64).repeat_interleave(starts.diff()).to(x.device());
  const Tensor largest = torch::full({count}, -INFINITY, logits.options())
                             .scatter_reduce(0, text, logits.detach(), "amax");
  const Tensor raised = (logits - largest.index_select(0, text)).exp();
  const Tensor sums = torch::zeros({count}, logits.options()).index_add(0, text, raised);
  const Tensor weights = raised / sums.index_select(0, text);
  return torch::zeros({count, x.size(1)}, x.options())
      .index_add(0, text, x * weights.unsqueeze(1).to(x.scalar_type()));
}

}  // namespace lemur
