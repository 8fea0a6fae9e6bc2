#include "lemur/kernels/ragged_rows.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/ragged_device.h"
#include "lemur/kernels/row_check.h"
#include "lemur/simd/flops.h"

namespace lemur {
namespace {

using torch::Tensor;

class RaggedDots : public torch::autograd::Function<RaggedDots> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& vectors,
                        const Tensor& rows, const Tensor& offsets, const Tensor& index) {
    context->save_for_backward({vectors, rows, offsets, index});
    Tensor result = torch::zeros({index.numel()}, vectors.options());
    AT_DISPATCH_FLOATING_TYPES(vectors.scalar_type(), "ragged_dots", [&] {
      using T = scalar_t;
      const RowTable<T> table = row_table<T>(rows);
      const T* vector = vectors.data_ptr<T>();
      T* dot = result.data_ptr<T>();
      for_each_sample<T>(offsets, index, [&](int64_t b, const Listed& listed, T* values) {
        row_dots(vector + b * table.width, table, listed.rows, values);
        for (size_t j = 0; j < listed.elements.size(); ++j) dot[listed.elements[j]] = values[j];
      });
    });
    return result;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const FlopScope counted(FlopPart::kHistories);
    const auto saved = context->get_saved_variables();
    const Tensor &vectors = saved[0], &rows = saved[1], &offsets = saved[2], &index = saved[3];
    const Tensor gradient = gradients[0].contiguous();
    Tensor grad_vectors = torch::empty_like(vectors), grad_rows;
    AT_DISPATCH_FLOATING_TYPES(vectors.scalar_type(), "ragged_dots", [&] {
      using T = scalar_t;
      const RowTable<T> table = row_table<T>(rows);
      const T* given = gradient.data_ptr<T>();
      T* result = grad_vectors.data_ptr<T>();
      for_each_sample<T>(offsets, index, [&](int64_t b, const Listed& listed, T* values) {
        for (size_t j = 0; j < listed.elements.size(); ++j) values[j] = given[listed.elements[j]];
        row_sum(values, table, listed.rows, result + b * table.width);
      });
    });
    if (context->needs_input_grad(1))
      grad_rows = RowUsers(offsets, index, rows.size(0)).sum(gradient, vectors);
    return {grad_vectors, grad_rows, Tensor(), Tensor()};
  }
};

struct Indices {
  Tensor offsets, index;
};

Indices check(const Tensor& vectors, const Tensor& rows, const Tensor& offsets,
              const Tensor& index) {
  if (vectors.dim() != 2 || rows.dim() != 2 || vectors.size(1) != rows.size(1) ||
      vectors.scalar_type() != rows.scalar_type() || offsets.numel() != vectors.size(0) + 1)
    fail<InvalidArgument>("ragged_dots", "vectors [{}], rows [{}], {} offsets",
                          fmt::join(vectors.sizes(), ", "), fmt::join(rows.sizes(), ", "),
                          offsets.numel());
  return {checked_offsets("ragged_dots", offsets, index.numel()),
          checked_index("ragged_dots", "index", index, index.numel(), -1, rows.size(0))};
}

}  // namespace

RowUsers::RowUsers(const Tensor& offsets, const Tensor& index, int64_t rows)
    : begin_(static_cast<size_t>(rows) + 1) {
  const auto *begin = offsets.data_ptr<int64_t>(), *row = index.data_ptr<int64_t>();
  const int64_t samples = offsets.numel() - 1;
  for (int64_t m = 0; m < index.numel(); ++m)
    if (row[m] >= 0) ++begin_[static_cast<size_t>(row[m]) + 1];
  for (size_t u = 0; u + 1 < begin_.size(); ++u) begin_[u + 1] += begin_[u];
  elements_.resize(static_cast<size_t>(begin_.back()));
  samples_.resize(elements_.size());
  std::vector<int64_t> next(begin_.begin(), begin_.end() - 1);
  for (int64_t b = 0; b < samples; ++b)
    for (int64_t m = begin[b]; m < begin[b + 1]; ++m) {
      if (row[m] < 0) continue;
      const auto place = static_cast<size_t>(next[static_cast<size_t>(row[m])]++);
      elements_[place] = m;
      samples_[place] = b;
    }
}

Tensor RowUsers::sum(const Tensor& weights, const Tensor& vectors) const {
  const int64_t rows = std::ssize(begin_) - 1;
  Tensor result = torch::empty({rows, vectors.size(1)}, vectors.options());
  AT_DISPATCH_FLOATING_TYPES(vectors.scalar_type(), "ragged_dots", [&] {
    using T = scalar_t;
    const T* weight = weights.data_ptr<T>();
    const RowTable<T> table = row_table<T>(vectors);
    at::parallel_for(0, rows, 64, [&](int64_t from, int64_t to) {
      for (int64_t u = from; u < to; ++u) {
        const auto first = static_cast<size_t>(begin_[static_cast<size_t>(u)]),
                   last = static_cast<size_t>(begin_[static_cast<size_t>(u) + 1]);
        T* values = thread_buffer<T, RowTable<T>>(static_cast<int64_t>(last - first));
        for (size_t place = first; place < last; ++place)
          values[place - first] = weight[elements_[place]];
        row_sum(values, table, std::span(samples_).subspan(first, last - first),
                result.data_ptr<T>() + u * table.width);
      }
    });
  });
  return result;
}

Tensor ragged_dots(const Tensor& vectors, const Tensor& rows, const Tensor& offsets,
                   const Tensor& index) {
  if (takes_launchers(vectors.device()))
    return ragged_dots_on_device(vectors, rows, offsets, index);
  if (!fits_loops(vectors)) return ragged_dots_reference(vectors, rows, offsets, index);
  const Indices indices = check(vectors, rows, offsets, index);
  return RaggedDots::apply(vectors.contiguous(), with_contiguous_rows(rows), indices.offsets,
                           indices.index);
}

Tensor ragged_dots_reference(const Tensor& vectors, const Tensor& rows, const Tensor& offsets,
                             const Tensor& index) {
  const Indices indices = check(vectors, rows, offsets, index);
  const Tensor samples = torch::repeat_interleave(torch::arange(vectors.size(0), torch::kInt64),
                                                  indices.offsets.diff());
  const Tensor listed = (indices.index >= 0).nonzero().flatten();
  const Tensor dots = (vectors.index_select(0, samples.index_select(0, listed)) *
                       rows.index_select(0, indices.index.index_select(0, listed)))
                          .sum(1);
  return torch::zeros({index.numel()}, vectors.options()).index_copy(0, listed, dots);
}

}  // namespace lemur
