#include "lemur/kernels/ragged_device.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/ragged_attention_cuda.h"
#include "lemur/kernels/ragged_rows.h"
#include "lemur/kernels/ragged_rows_cuda.h"
#include "lemur/kernels/ragged_similarity_cuda.h"

namespace lemur {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor numbers(const Tensor& x) { return x.to(torch::kFloat32).contiguous(); }
Tensor number_rows(const Tensor& x) { return with_contiguous_rows(x.to(torch::kFloat32)); }
Tensor indices(const Tensor& x) { return x.to(torch::kInt32).contiguous(); }

cuda::RaggedView listed(const Tensor& offsets, const Tensor& index) {
  return {offsets.data_ptr<int64_t>(), index.data_ptr<int32_t>(), offsets.numel() - 1};
}

cuda::RowView<float> view_of(const Tensor& rows) {
  return {rows.data_ptr<float>(), rows.stride(0)};
}

Tensor sums(const Tensor& offsets, const Tensor& index, const Tensor& weights, const Tensor& rows) {
  Tensor result = torch::empty({offsets.numel() - 1, rows.size(1)}, weights.options());
  cuda::ragged_sums(listed(offsets, index), rows.size(1), weights.data_ptr<float>(), view_of(rows),
                    result.data_ptr<float>(), stream_of(result));
  return result;
}

/// Which elements list each row, sorted by row: RowUsers on a device.
class Users {
 public:
  Users(const Tensor& offsets, const Tensor& index, int64_t rows) {
    auto [sorted, order] = torch::sort(index, /*stable=*/true, 0, /*descending=*/false);
    order_ = order;
    offsets_ = torch::searchsorted(sorted, torch::arange(rows + 1, sorted.options()));
    samples_ =
        indices(torch::searchsorted(offsets, order, /*out_int32=*/false, /*right=*/true) - 1);
  }

  /// Returns [rows, w]: of each row the sum of weights[m] vectors[sample of m].
  Tensor sum(const Tensor& weights, const Tensor& vectors) const {
    return sums(offsets_, samples_, weights.index_select(0, order_), vectors);
  }

 private:
  Tensor order_, offsets_, samples_;
};

class DeviceDots : public torch::autograd::Function<DeviceDots> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& vectors, const Tensor& rows,
                        const Tensor& offsets, const Tensor& index) {
    context->save_for_backward({vectors, rows, offsets, index});
    Tensor result = torch::empty({index.numel()}, vectors.options());
    cuda::ragged_dots(listed(offsets, index), vectors.size(1), vectors.data_ptr<float>(),
                      view_of(rows), result.data_ptr<float>(), stream_of(result));
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &vectors = saved[0], &rows = saved[1], &offsets = saved[2], &index = saved[3];
    const Tensor given = gradients[0].contiguous();
    Tensor of_rows;
    if (context->needs_input_grad(1))
      of_rows = Users(offsets, index, rows.size(0)).sum(given, vectors);
    return {sums(offsets, index, given, rows), of_rows, Tensor(), Tensor()};
  }
};

/// What forward saves, in this order.
struct Attended {
  Tensor query, keys, values, score_gap, score_action, offsets, document, gap, action;

  cuda::AttentionView view() const {
    return {.listed = listed(offsets, document),
            .gap = gap.data_ptr<int32_t>(),
            .action = action.data_ptr<int32_t>(),
            .width = query.size(1),
            .gaps = score_gap.size(1),
            .actions = score_action.size(1),
            .query = query.data_ptr<float>(),
            .keys = view_of(keys),
            .values = view_of(values),
            .score_gap = score_gap.data_ptr<float>(),
            .score_action = score_action.data_ptr<float>()};
  }
};

class DeviceAttention : public torch::autograd::Function<DeviceAttention> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& query, const Tensor& keys,
                               const Tensor& values, const Tensor& score_gap,
                               const Tensor& score_action, const Tensor& offsets,
                               const Tensor& document, const Tensor& gap, const Tensor& action) {
    const Attended all{query,   keys,     values, score_gap, score_action,
                       offsets, document, gap,    action};
    Tensor attended = torch::empty_like(query), by_gap = torch::empty_like(score_gap),
           by_action = torch::empty_like(score_action),
           probabilities = torch::empty({document.numel()}, query.options());
    cuda::ragged_attention_forward(all.view(), attended.data_ptr<float>(), by_gap.data_ptr<float>(),
                                   by_action.data_ptr<float>(), probabilities.data_ptr<float>(),
                                   stream_of(query));
    context->save_for_backward({query, keys, values, score_gap, score_action, offsets, document,
                                gap, action, probabilities});
    return {attended, by_gap, by_action};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Attended all{saved[0], saved[1], saved[2], saved[3], saved[4],
                       saved[5], saved[6], saved[7], saved[8]};
    const Tensor& probabilities = saved[9];
    const auto given = [&](size_t i, const Tensor& like) {
      return gradients[i].defined() ? numbers(gradients[i]) : torch::zeros_like(like);
    };
    const Tensor of_attended = given(0, all.query), of_gap = given(1, all.score_gap),
                 of_action = given(2, all.score_action);
    Tensor query = torch::empty_like(all.query), score_gap = torch::empty_like(all.score_gap),
           score_action = torch::empty_like(all.score_action),
           scores = torch::empty_like(probabilities);
    cuda::ragged_attention_backward(
        all.view(),
        {of_attended.data_ptr<float>(), of_gap.data_ptr<float>(), of_action.data_ptr<float>()},
        probabilities.data_ptr<float>(), query.data_ptr<float>(), score_gap.data_ptr<float>(),
        score_action.data_ptr<float>(), scores.data_ptr<float>(), stream_of(query));
    Tensor keys, values;
    if (context->needs_input_grad(1) || context->needs_input_grad(2)) {
      const Users users(all.offsets, all.document, all.keys.size(0));
      if (context->needs_input_grad(1)) keys = users.sum(scores, all.query);
      if (context->needs_input_grad(2)) values = users.sum(probabilities, of_attended);
    }
    return {query, keys, values, score_gap, score_action, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

class DeviceSimilarity : public torch::autograd::Function<DeviceSimilarity> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& cosines, const Tensor& offsets,
                        const Tensor& document, int64_t k) {
    Tensor features = torch::empty({offsets.numel() - 1, 2 * k + 3}, cosines.options());
    Tensor latest = torch::empty_like(document), largest = torch::empty_like(document);
    cuda::ragged_similarity_forward(listed(offsets, document), k, cosines.data_ptr<float>(),
                                    features.data_ptr<float>(), latest.data_ptr<int32_t>(),
                                    largest.data_ptr<int32_t>(), stream_of(cosines));
    context->save_for_backward({offsets, document, latest, largest});
    context->saved_data["k"] = k;
    return features;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor given = gradients[0].contiguous();
    Tensor cosines = torch::empty({saved[1].numel()}, given.options());
    cuda::ragged_similarity_backward(listed(saved[0], saved[1]), context->saved_data["k"].toInt(),
                                     given.data_ptr<float>(), saved[2].data_ptr<int32_t>(),
                                     saved[3].data_ptr<int32_t>(), cosines.data_ptr<float>(),
                                     stream_of(given));
    return {cosines, Tensor(), Tensor(), Tensor()};
  }
};

void require(bool fits, const char* where) {
  if (!fits) fail<InvalidArgument>(where, "shapes do not fit each other");
}

}  // namespace

Tensor ragged_dots_on_device(const Tensor& vectors, const Tensor& rows, const Tensor& offsets,
                             const Tensor& index) {
  require(vectors.dim() == 2 && rows.dim() == 2 && vectors.size(1) == rows.size(1) &&
              offsets.numel() == vectors.size(0) + 1,
          "ragged_dots");
  return DeviceDots::apply(numbers(vectors), number_rows(rows), offsets.contiguous(),
                           indices(index));
}

RaggedAttended ragged_attention_on_device(const Tensor& query, const Tensor& keys,
                                          const Tensor& values, const Tensor& scores_gap,
                                          const Tensor& scores_action,
                                          const RaggedElements& elements) {
  const int64_t samples = query.size(0), total = elements.document.numel();
  require(query.dim() == 2 && keys.sizes() == values.sizes() && keys.size(1) == query.size(1) &&
              scores_gap.size(0) == samples && scores_action.size(0) == samples &&
              elements.offsets.numel() == samples + 1 && elements.gap.numel() == total &&
              elements.action.numel() == total,
          "ragged_attention");
  const variable_list result = DeviceAttention::apply(
      numbers(query), number_rows(keys), number_rows(values), numbers(scores_gap),
      numbers(scores_action), elements.offsets.contiguous(), indices(elements.document),
      indices(elements.gap), indices(elements.action));
  return {result[0], result[1], result[2]};
}

Tensor ragged_similarity_on_device(const Tensor& cosines, const Tensor& offsets,
                                   const Tensor& document, int64_t k) {
  require(k > 0 && cosines.dim() == 1 && cosines.numel() == document.numel(), "ragged_similarity");
  return DeviceSimilarity::apply(numbers(cosines), offsets.contiguous(), indices(document), k);
}

}  // namespace lemur
