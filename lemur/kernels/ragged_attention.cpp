#include "lemur/kernels/ragged_attention.h"

#include <ATen/Dispatch.h>
#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/ragged_device.h"
#include "lemur/kernels/ragged_rows.h"
#include "lemur/kernels/row_check.h"
#include "lemur/simd/flops.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;

/// Pointers to the rows of a tensor [B, columns].
template <typename T>
struct SampleRows {
  T* data;
  int64_t columns;

  explicit SampleRows(const Tensor& x) : data(x.data_ptr<T>()), columns(x.size(1)) {}
  T* operator[](int64_t b) const { return data + b * columns; }
};

class RaggedAttention : public torch::autograd::Function<RaggedAttention> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const Tensor& query, const Tensor& keys,
                                                const Tensor& values, const Tensor& scores_gap,
                                                const Tensor& scores_action, const Tensor& offsets,
                                                const Tensor& document, const Tensor& gap,
                                                const Tensor& action) {
    const Tensor attended = torch::zeros_like(query), gaps = torch::zeros_like(scores_gap),
                 actions = torch::zeros_like(scores_action),
                 probabilities = torch::zeros({document.numel()}, query.options());
    AT_DISPATCH_FLOATING_TYPES(query.scalar_type(), "ragged_attention", [&] {
      using T = scalar_t;
      const RowTable<T> key_rows = row_table<T>(keys), value_rows = row_table<T>(values);
      const SampleRows<T> q(query), sg(scores_gap), sa(scores_action), result(attended), wg(gaps),
          wa(actions);
      T* kept = probabilities.data_ptr<T>();
      const auto *gap_of = gap.data_ptr<int64_t>(), *action_of = action.data_ptr<int64_t>();
      for_each_sample<T>(offsets, document, [&](int64_t b, const Listed& listed, T* p) {
        if (listed.rows.empty()) return;
        row_dots(q[b], key_rows, listed.rows, p);
        for (size_t j = 0; j < listed.rows.size(); ++j) {
          const int64_t m = listed.elements[j];
          p[j] += sg[b][gap_of[m]] + sa[b][action_of[m]];
        }
        softmax_rows({1, std::ssize(listed.rows)}, 0, p);
        row_sum(p, value_rows, listed.rows, result[b]);
        for (size_t j = 0; j < listed.rows.size(); ++j) {
          const int64_t m = listed.elements[j];
          wg[b][gap_of[m]] += p[j];
          wa[b][action_of[m]] += p[j];
          kept[m] = p[j];
        }
      });
    });
    context->save_for_backward(
        {query, keys, values, offsets, document, gap, action, probabilities});
    context->saved_data["gaps"] = scores_gap.size(1);
    context->saved_data["actions"] = scores_action.size(1);
    return {attended, gaps, actions};
  }

  /// ds_j = p_j (dp_j - sum_k p_k dp_k), where dp_j = dc . value_j + dgap_j + daction_j.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const FlopScope counted(FlopPart::kHistories);
    const auto saved = context->get_saved_variables();
    const Tensor &query = saved[0], &keys = saved[1], &values = saved[2];
    const RaggedElements all{saved[3], saved[4], saved[5], saved[6]};
    const Tensor& probabilities = saved[7];
    const auto given = [&](size_t i, int64_t columns) {
      return gradients[i].defined() ? gradients[i].contiguous()
                                    : torch::zeros({query.size(0), columns}, query.options());
    };
    const Tensor of_attended = given(0, query.size(1)),
                 of_gaps = given(1, context->saved_data["gaps"].toInt()),
                 of_actions = given(2, context->saved_data["actions"].toInt());
    const Tensor grad_query = torch::zeros_like(query), grad_gap = torch::zeros_like(of_gaps),
                 grad_action = torch::zeros_like(of_actions),
                 grad_scores = torch::zeros_like(probabilities);
    AT_DISPATCH_FLOATING_TYPES(query.scalar_type(), "ragged_attention", [&] {
      using T = scalar_t;
      const RowTable<T> key_rows = row_table<T>(keys), value_rows = row_table<T>(values);
      const SampleRows<T> dc(of_attended), dwg(of_gaps), dwa(of_actions), dq(grad_query),
          dsg(grad_gap), dsa(grad_action);
      const T* p = probabilities.data_ptr<T>();
      T* kept = grad_scores.data_ptr<T>();
      const auto *gap_of = all.gap.data_ptr<int64_t>(), *action_of = all.action.data_ptr<int64_t>();
      for_each_sample<T>(all.offsets, all.document, [&](int64_t b, const Listed& listed, T* ds) {
        row_dots(dc[b], value_rows, listed.rows, ds);
        T mean = 0;
        for (size_t j = 0; j < listed.rows.size(); ++j) {
          const int64_t m = listed.elements[j];
          ds[j] += dwg[b][gap_of[m]] + dwa[b][action_of[m]];
          mean += p[m] * ds[j];
        }
        for (size_t j = 0; j < listed.rows.size(); ++j) {
          const int64_t m = listed.elements[j];
          ds[j] = p[m] * (ds[j] - mean);
          dsg[b][gap_of[m]] += ds[j];
          dsa[b][action_of[m]] += ds[j];
          kept[m] = ds[j];
        }
        row_sum(ds, key_rows, listed.rows, dq[b]);
      });
    });
    Tensor grad_keys, grad_values;
    if (context->needs_input_grad(1) || context->needs_input_grad(2)) {
      const RowUsers users(all.offsets, all.document, keys.size(0));
      if (context->needs_input_grad(1)) grad_keys = users.sum(grad_scores, query);
      if (context->needs_input_grad(2)) grad_values = users.sum(probabilities, of_attended);
    }
    return {grad_query, grad_keys, grad_values, grad_gap, grad_action,
            Tensor(),   Tensor(),  Tensor(),    Tensor()};
  }
};

/// Checks shapes, types and ranges; returns the indices as the loops read them.
RaggedElements check(const Tensor& query, const Tensor& keys, const Tensor& values,
                     const Tensor& scores_gap, const Tensor& scores_action,
                     const RaggedElements& elements) {
  for (const Tensor* x : {&query, &keys, &values, &scores_gap, &scores_action})
    if (x->dim() != 2 || x->scalar_type() != query.scalar_type())
      fail<InvalidArgument>("ragged_attention", "shape {} beside {}; expected matrices of one type",
                            fmt::join(x->sizes(), " x "), fmt::join(query.sizes(), " x "));
  const int64_t samples = query.size(0), total = elements.document.numel();
  if (keys.sizes() != values.sizes() || keys.size(1) != query.size(1) ||
      scores_gap.size(0) != samples || scores_action.size(0) != samples)
    fail<InvalidArgument>(
        "ragged_attention",
        "query {}, keys {}, values {}, scores of gaps {} and actions {} do not fit",
        fmt::join(query.sizes(), " x "), fmt::join(keys.sizes(), " x "),
        fmt::join(values.sizes(), " x "), fmt::join(scores_gap.sizes(), " x "),
        fmt::join(scores_action.sizes(), " x "));
  if (elements.offsets.numel() != samples + 1)
    fail<InvalidArgument>("ragged_attention", "{} offsets for {} samples", elements.offsets.numel(),
                          samples);
  return {checked_offsets("ragged_attention", elements.offsets, total),
          checked_index("ragged_attention", "document", elements.document, total, -1, keys.size(0)),
          checked_index("ragged_attention", "gap", elements.gap, total, 0, scores_gap.size(1)),
          checked_index("ragged_attention", "action", elements.action, total, 0,
                        scores_action.size(1))};
}

}  // namespace

RaggedAttended ragged_attention(const Tensor& query, const Tensor& keys, const Tensor& values,
                                const Tensor& scores_gap, const Tensor& scores_action,
                                const RaggedElements& elements) {
  if (takes_launchers(query.device()))
    return ragged_attention_on_device(query, keys, values, scores_gap, scores_action, elements);
  if (!fits_loops(query))
    return ragged_attention_reference(query, keys, values, scores_gap, scores_action, elements);
  const RaggedElements all = check(query, keys, values, scores_gap, scores_action, elements);
  const auto result = RaggedAttention::apply(query.contiguous(), with_contiguous_rows(keys),
                                             with_contiguous_rows(values), scores_gap.contiguous(),
                                             scores_action.contiguous(), all.offsets, all.document,
                                             all.gap, all.action);
  return {result[0], result[1], result[2]};
}

RaggedAttended ragged_attention_reference(const Tensor& query, const Tensor& keys,
                                          const Tensor& values, const Tensor& scores_gap,
                                          const Tensor& scores_action,
                                          const RaggedElements& elements) {
  const RaggedElements all = check(query, keys, values, scores_gap, scores_action, elements);
  const auto* begin = all.offsets.data_ptr<int64_t>();
  std::vector<Tensor> attended = {query.narrow(0, 0, 0)}, gaps = {scores_gap.narrow(0, 0, 0)},
                      actions = {scores_action.narrow(0, 0, 0)};
  for (int64_t b = 0; b < query.size(0); ++b) {
    const auto of_sample = [&](const Tensor& x) {
      return x.narrow(0, begin[b], begin[b + 1] - begin[b]);
    };
    const Tensor present = (of_sample(all.document) >= 0).nonzero().flatten();
    const Tensor document = of_sample(all.document).index_select(0, present),
                 gap = of_sample(all.gap).index_select(0, present),
                 action = of_sample(all.action).index_select(0, present);
    const Tensor scores = keys.index_select(0, document).matmul(query[b]) +
                          scores_gap[b].index_select(0, gap) +
                          scores_action[b].index_select(0, action);
    const Tensor p = scores.softmax(0);
    attended.push_back(p.matmul(values.index_select(0, document)).unsqueeze(0));
    const auto summed = [&](const Tensor& like, const Tensor& index) {
      return torch::zeros({1, like.size(1)}, like.options()).index_add(1, index, p.unsqueeze(0));
    };
    gaps.push_back(summed(scores_gap, gap));
    actions.push_back(summed(scores_action, action));
  }
  return {torch::cat(attended), torch::cat(gaps), torch::cat(actions)};
}

}  // namespace lemur
