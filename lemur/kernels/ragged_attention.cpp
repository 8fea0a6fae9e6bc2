#include "lemur/kernels/ragged_attention.h"

#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/row_check.h"
#include "lemur/kernels/row_functions.h"
#include "lemur/kernels/simd.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr const char* kWhere = "ragged_attention";

/// Offsets and the three columns of every element, int64, contiguous, checked.
struct Indices {
  Tensor offsets, document, gap, action;

  const int64_t* data(Tensor Indices::*part) const { return (this->*part).data_ptr<int64_t>(); }
};

/// Scores, weights or gradients of the three parts, rows of `columns` values.
template <typename T>
struct Parts {
  T *document, *gap, *action;
  int64_t document_columns, gap_columns, action_columns;

  Parts(const Tensor& d, const Tensor& g, const Tensor& a)
      : document(d.data_ptr<T>()),
        gap(g.data_ptr<T>()),
        action(a.data_ptr<T>()),
        document_columns(d.size(1)),
        gap_columns(g.size(1)),
        action_columns(a.size(1)) {}

  /// Moves on to sample `b`.
  Parts row(int64_t b) const {
    Parts moved = *this;
    moved.document += b * document_columns;
    moved.gap += b * gap_columns;
    moved.action += b * action_columns;
    return moved;
  }
};

/// Calls body(b, present, values): the elements of sample b that are not missing, and room for two
/// padded rows of that many values. Every sample writes an output of its own.
template <typename T, typename Body>
void for_each_sample(const Indices& indices, const Body& body) {
  const int64_t *offsets = indices.data(&Indices::offsets),
                *document = indices.data(&Indices::document);
  at::parallel_for(0, indices.offsets.numel() - 1, 16, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> present;
    std::vector<T> values;
    for (int64_t b = begin; b < end; ++b) {
      present.clear();
      for (int64_t m = offsets[b]; m < offsets[b + 1]; ++m)
        if (document[m] >= 0) present.push_back(m);
      if (present.empty()) continue;
      values.resize(2 * static_cast<size_t>(simd::padded<T>(std::ssize(present))));
      body(b, present, values);
    }
  });
}

/// Writes the probabilities of the elements `present` of one sample.
template <typename T>
void probabilities(const Parts<T>& scores, const Indices& indices,
                   const std::vector<int64_t>& present, T* result) {
  const int64_t *document = indices.data(&Indices::document), *gap = indices.data(&Indices::gap),
                *action = indices.data(&Indices::action);
  for (size_t j = 0; j < present.size(); ++j) {
    const int64_t m = present[j];
    result[j] = scores.document[document[m]] + scores.gap[gap[m]] + scores.action[action[m]];
  }
  softmax_rows({1, std::ssize(present)}, 0, result);
}

/// Adds values[j] to the columns of element j.
template <typename T>
void scatter(const T* values, const Indices& indices, const std::vector<int64_t>& present,
             const Parts<T>& sums) {
  const int64_t *document = indices.data(&Indices::document), *gap = indices.data(&Indices::gap),
                *action = indices.data(&Indices::action);
  for (size_t j = 0; j < present.size(); ++j) {
    const int64_t m = present[j];
    sums.document[document[m]] += values[j];
    sums.gap[gap[m]] += values[j];
    sums.action[action[m]] += values[j];
  }
}

template <typename T>
void forward_cpu(const Parts<T>& scores, const Indices& indices, const Parts<T>& weights) {
  for_each_sample<T>(indices, [&](int64_t b, const auto& present, auto& values) {
    probabilities(scores.row(b), indices, present, values.data());
    scatter(values.data(), indices, present, weights.row(b));
  });
}

/// ds_j = p_j (dp_j - sum_k p_k dp_k), where dp_j is the sum of the weights' gradients.
template <typename T>
void backward_cpu(const Parts<T>& scores, const Parts<T>& grad_weights, const Indices& indices,
                  const Parts<T>& grad_scores) {
  const int64_t *document = indices.data(&Indices::document), *gap = indices.data(&Indices::gap),
                *action = indices.data(&Indices::action);
  for_each_sample<T>(indices, [&](int64_t b, const auto& present, auto& values) {
    T *p = values.data(), *ds = p + simd::padded<T>(std::ssize(present));
    probabilities(scores.row(b), indices, present, p);
    const Parts<T> gradient = grad_weights.row(b);
    T mean = 0;
    for (size_t j = 0; j < present.size(); ++j) {
      const int64_t m = present[j];
      ds[j] = gradient.document[document[m]] + gradient.gap[gap[m]] + gradient.action[action[m]];
      mean += p[j] * ds[j];
    }
    for (size_t j = 0; j < present.size(); ++j) ds[j] = p[j] * (ds[j] - mean);
    scatter(ds, indices, present, grad_scores.row(b));
  });
}

class RaggedAttention : public torch::autograd::Function<RaggedAttention> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const Tensor& scores_document,
                                                const Tensor& scores_gap,
                                                const Tensor& scores_action, const Tensor& offsets,
                                                const Tensor& document, const Tensor& gap,
                                                const Tensor& action) {
    const Tensor sd = scores_document.contiguous(), sg = scores_gap.contiguous(),
                 sa = scores_action.contiguous();
    const Indices indices{offsets, document, gap, action};
    const Tensor wd = torch::zeros_like(sd), wg = torch::zeros_like(sg), wa = torch::zeros_like(sa);
    AT_DISPATCH_FLOATING_TYPES(sd.scalar_type(), kWhere, [&] {
      forward_cpu(Parts<scalar_t>(sd, sg, sa), indices, Parts<scalar_t>(wd, wg, wa));
    });
    context->save_for_backward({sd, sg, sa, offsets, document, gap, action});
    return {wd, wg, wa};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Indices indices{saved[3], saved[4], saved[5], saved[6]};
    Tensor given[3], result[3];
    for (int part = 0; part < 3; ++part) {
      given[part] =
          gradients[part].defined() ? gradients[part].contiguous() : torch::zeros_like(saved[part]);
      result[part] = torch::zeros_like(saved[part]);
    }
    AT_DISPATCH_FLOATING_TYPES(saved[0].scalar_type(), kWhere, [&] {
      backward_cpu(Parts<scalar_t>(saved[0], saved[1], saved[2]),
                   Parts<scalar_t>(given[0], given[1], given[2]), indices,
                   Parts<scalar_t>(result[0], result[1], result[2]));
    });
    return {result[0], result[1], result[2], Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

/// Checks shapes, types and ranges; returns the indices as the loops read them.
Indices check(const Tensor& scores_document, const Tensor& scores_gap, const Tensor& scores_action,
              const Tensor& offsets, const Tensor& document, const Tensor& gap,
              const Tensor& action) {
  for (const Tensor* scores : {&scores_document, &scores_gap, &scores_action})
    if (scores->dim() != 2 || scores->size(0) != scores_document.size(0) ||
        scores->scalar_type() != scores_document.scalar_type())
      fail<InvalidArgument>(kWhere,
                            "scores of documents, gaps and actions must be [B, columns] of one "
                            "type; found shape {} beside {}",
                            fmt::join(scores->sizes(), " x "),
                            fmt::join(scores_document.sizes(), " x "));
  if (offsets.numel() != scores_document.size(0) + 1)
    fail<InvalidArgument>(kWhere, "{} offsets for {} samples", offsets.numel(),
                          scores_document.size(0));
  const int64_t total = document.numel();
  return {checked_offsets(kWhere, offsets, total),
          checked_index(kWhere, "document", document, total, -1, scores_document.size(1)),
          checked_index(kWhere, "gap", gap, total, 0, scores_gap.size(1)),
          checked_index(kWhere, "action", action, total, 0, scores_action.size(1))};
}

}  // namespace

RaggedWeights ragged_attention(const Tensor& scores_document, const Tensor& scores_gap,
                               const Tensor& scores_action, const Tensor& offsets,
                               const Tensor& document, const Tensor& gap, const Tensor& action) {
  const auto type = scores_document.scalar_type();
  if (!scores_document.is_cpu() || (type != torch::kFloat32 && type != torch::kFloat64))
    return ragged_attention_reference(scores_document, scores_gap, scores_action, offsets, document,
                                      gap, action);
  const Indices indices =
      check(scores_document, scores_gap, scores_action, offsets, document, gap, action);
  const auto weights =
      RaggedAttention::apply(scores_document, scores_gap, scores_action, indices.offsets,
                             indices.document, indices.gap, indices.action);
  return {weights[0], weights[1], weights[2]};
}

RaggedWeights ragged_attention_reference(const Tensor& scores_document, const Tensor& scores_gap,
                                         const Tensor& scores_action, const Tensor& offsets,
                                         const Tensor& document, const Tensor& gap,
                                         const Tensor& action) {
  const Indices indices =
      check(scores_document, scores_gap, scores_action, offsets, document, gap, action);
  const int64_t* begin = indices.data(&Indices::offsets);
  std::vector<Tensor> rows[3];
  for (int64_t b = 0; b < scores_document.size(0); ++b) {
    const int64_t length = begin[b + 1] - begin[b];
    const Tensor columns = indices.document.narrow(0, begin[b], length);
    const Tensor present = (columns >= 0).nonzero().flatten();
    const Tensor index[3] = {columns.index_select(0, present),
                             indices.gap.narrow(0, begin[b], length).index_select(0, present),
                             indices.action.narrow(0, begin[b], length).index_select(0, present)};
    const Tensor* scores[3] = {&scores_document, &scores_gap, &scores_action};
    Tensor sum = torch::zeros({present.numel()}, scores_document.options());
    for (int part = 0; part < 3; ++part)
      sum = sum + scores[part]->select(0, b).index_select(0, index[part]);
    const Tensor p = sum.softmax(0);
    for (int part = 0; part < 3; ++part)
      rows[part].push_back(
          torch::zeros({scores[part]->size(1)}, p.options()).index_add(0, index[part], p));
  }
  if (scores_document.size(0) == 0) return {scores_document, scores_gap, scores_action};
  return {torch::stack(rows[0]), torch::stack(rows[1]), torch::stack(rows[2])};
}

}  // namespace lemur
