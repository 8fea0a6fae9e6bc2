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

constexpr const char* kWhere = "text_mean";
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

/// Adds factor times `row` to `sum`, both [width].
template <typename T>
void add_scaled(int64_t width, T factor, const T* row, T* sum) {
  for (int64_t c = 0; c < width; ++c) sum[c] += factor * row[c];
}

template <typename T>
void forward_rows(const Tensor& x, const Tensor& logits, const Tensor& offsets, Tensor& weights,
                  Tensor& means, Tensor& y) {
  const int64_t width = x.size(1);
  for_each_text(offsets, [&](int64_t text, int64_t first, std::span<const int64_t> rows) {
    const auto count = std::ssize(rows);
    // softmax_rows fills up to a multiple of its vectors.
    std::vector<T> softmax(static_cast<size_t>(simd::padded<T>(count)));
    std::copy_n(logits.data_ptr<T>() + first, count, softmax.data());
    softmax_rows({1, count}, std::ssize(softmax), softmax.data());
    std::copy_n(softmax.data(), count, weights.data_ptr<T>() + first);
    T* mean = means.data_ptr<T>() + text * width;
    row_sum(softmax.data(), row_table<T>(x), rows, mean);
    add_scaled(width, T{1}, mean, y.data_ptr<T>() + first * width);
  });
}

template <typename T>
void backward_rows(const Tensor& x, const Tensor& weights, const Tensor& means,
                   const Tensor& offsets, const Tensor& given, Tensor& dx, Tensor& dlogits) {
  const int64_t width = x.size(1);
  const int64_t zero = 0;
  for_each_text(offsets, [&](int64_t text, int64_t first, std::span<const int64_t> rows) {
    const T* of_mean = given.data_ptr<T>() + first * width;  // the mean's gradient
    const T* weight = weights.data_ptr<T>() + first;
    T* logit = dlogits.data_ptr<T>() + first;
    T mean_dot;
    row_dots(of_mean, {means.data_ptr<T>() + text * width, width, width},
             std::span<const int64_t>(&zero, 1), &mean_dot);
    row_dots(of_mean, row_table<T>(x), rows, logit);
    for (size_t j = 0; j < rows.size(); ++j) {
      logit[j] = weight[j] * (logit[j] - mean_dot);
      add_scaled(width, weight[j], of_mean, dx.data_ptr<T>() + rows[j] * width);
    }
  });
}

template <typename Body>
void with_type(const Tensor& x, const Body& body) {
  x.scalar_type() == torch::kFloat64 ? body(double()) : body(float());
}

class AddTextMeans : public torch::autograd::Function<AddTextMeans> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& logits,
                        const Tensor& offsets) {
    Tensor weights = torch::empty_like(logits), y = x.clone(),
           means = torch::empty({offsets.numel() - 1, x.size(1)}, x.options());
    with_type(
        x, [&](auto type) { forward_rows<decltype(type)>(x, logits, offsets, weights, means, y); });
    context->save_for_backward({x, weights, means, offsets});
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor given = gradients[0].contiguous();
    Tensor dx = given.clone(), dlogits = torch::empty_like(saved[1]);
    with_type(given, [&](auto type) {
      backward_rows<decltype(type)>(saved[0], saved[1], saved[2], saved[3], given, dx, dlogits);
    });
    return {dx, dlogits, Tensor()};
  }
};

void check(const Tensor& x, const Tensor& logits) {
  if (x.dim() != 2 || logits.dim() != 1 || logits.size(0) != x.size(0))
    fail<InvalidArgument>(kWhere, "x is [{}], logits [{}]; expected [total, w] and [total]",
                          fmt::join(x.sizes(), ", "), fmt::join(logits.sizes(), ", "));
}

}  // namespace

Tensor add_text_means(const Tensor& x, const Tensor& logits, const Tensor& offsets) {
  if (!x.device().is_cpu()) return add_text_means_reference(x, logits, offsets);
  check(x, logits);
  return AddTextMeans::apply(x.contiguous(), logits.contiguous(),
                             checked_full_offsets(kWhere, offsets, x.size(0)));
}

Tensor add_text_means_reference(const Tensor& x, const Tensor& logits, const Tensor& offsets) {
  check(x, logits);
  const Tensor starts = checked_full_offsets(kWhere, offsets, x.size(0));
  const Tensor first = starts.slice(0, 0, -1).to(x.device());
  const Tensor text =
      torch::arange(first.numel(), torch::kInt64).repeat_interleave(starts.diff()).to(x.device());
  const Tensor largest = torch::full({first.numel()}, -INFINITY, logits.options())
                             .scatter_reduce(0, text, logits.detach(), "amax");
  const Tensor raised = (logits - largest.index_select(0, text)).exp();
  const Tensor sums = torch::zeros({first.numel()}, logits.options()).index_add(0, text, raised);
  const Tensor weights = raised / sums.index_select(0, text);
  const Tensor means = torch::zeros({first.numel(), x.size(1)}, x.options())
                           .index_add(0, text, x * weights.unsqueeze(1).to(x.scalar_type()));
  return x.index_add(0, first, means);
}

}  // namespace lemur
