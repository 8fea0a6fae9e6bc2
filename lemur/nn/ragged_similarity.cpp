#include "lemur/nn/ragged_similarity.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/ragged_device.h"
#include "lemur/kernels/row_check.h"
#include "lemur/simd/largest.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;

/// Returns the elements of sample b that are not missing (`document` null: all), newest first.
void newest_first(const int64_t* offsets, const int64_t* document, int64_t b,
                  std::vector<int64_t>& elements) {
  elements.clear();
  for (int64_t m = offsets[b + 1] - 1; m >= offsets[b]; --m)
    if (document == nullptr || document[m] >= 0) elements.push_back(m);
}

/// Cosines of one sample, oldest first, and room to sort them.
template <typename T>
struct Sorting {
  std::vector<T> present;         // without those of missing documents
  std::vector<int64_t> elements;  // of `present`
  LargestRoom<T> room;
};

/// Lists the elements [from, to) whose documents are there.
template <typename T>
void list_present(const T* cosines, const int64_t* document, int64_t from, int64_t to,
                  Sorting<T>& sorting) {
  sorting.present.clear(), sorting.elements.clear();
  for (int64_t m = from; m < to; ++m) {
    if (document[m] < 0) continue;
    sorting.present.push_back(cosines[m]);
    sorting.elements.push_back(m);
  }
}

/// Fills `features` [2 * k + 3] of one sample from its cosines, oldest first, and lists its
/// largest, of equal ones the first: they give the same features, the gradient goes to one place.
template <typename T>
void forward_row(int64_t k, const T* cosines, int64_t count, T* features, Sorting<T>& sorting) {
  features[2 * k] = static_cast<T>(std::log1p(static_cast<double>(count)) / 8);
  if (count == 0) return;
  const int64_t kept = std::min(k, count);
  list_largest(kept, cosines, count, sorting.room);
  for (int64_t i = 0; i < kept; ++i) {
    features[i] = cosines[count - 1 - i];
    features[k + i] = cosines[sorting.room.largest[static_cast<size_t>(i)]];
  }
  features[2 * k + 1] = sum_values(count, cosines) / static_cast<T>(count);
  features[2 * k + 2] = features[k];
}

/// Null: no document is missing.
const int64_t* indices_of(const Tensor& document) {
  return document.numel() > 0 ? document.data_ptr<int64_t>() : nullptr;
}

class RaggedSimilarity : public torch::autograd::Function<RaggedSimilarity> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& cosines,
                        const Tensor& offsets, const Tensor& document, int64_t k) {
    const int64_t samples = offsets.numel() - 1;
    const Tensor features = torch::zeros({samples, 2 * k + 3}, cosines.options());
    const Tensor largest = torch::full({samples, k}, -1, offsets.options());
    const auto *begin = offsets.data_ptr<int64_t>(), *index = indices_of(document);
    auto* kept = largest.data_ptr<int64_t>();
    AT_DISPATCH_FLOATING_TYPES(cosines.scalar_type(), "ragged_similarity", [&] {
      const auto* values = cosines.data_ptr<scalar_t>();
      auto* result = features.data_ptr<scalar_t>();
      at::parallel_for(0, samples, 8, [&](int64_t from, int64_t to) {
        Sorting<scalar_t> sorting;
        for (int64_t b = from; b < to; ++b) {
          const scalar_t* cosines_of_b = values + begin[b];
          int64_t count = begin[b + 1] - begin[b];
          if (index != nullptr) {
            list_present(values, index, begin[b], begin[b + 1], sorting);
            cosines_of_b = sorting.present.data(), count = std::ssize(sorting.present);
          }
          forward_row(k, cosines_of_b, count, result + b * (2 * k + 3), sorting);
          for (int64_t i = 0; i < std::min(k, count); ++i) {
            const int64_t place = sorting.room.largest[static_cast<size_t>(i)];
            kept[b * k + i] =
                index != nullptr ? sorting.elements[static_cast<size_t>(place)] : begin[b] + place;
          }
        }
      });
    });
    context->save_for_backward({offsets, document, largest});
    context->saved_data["elements"] = cosines.numel();
    return features;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &offsets = saved[0], &document = saved[1], gradient = gradients[0].contiguous();
    const int64_t k = saved[2].size(1);
    const Tensor result =
        torch::zeros({context->saved_data["elements"].toInt()}, gradient.options());
    const auto *begin = offsets.data_ptr<int64_t>(), *index = indices_of(document),
               *largest = saved[2].data_ptr<int64_t>();
    AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "ragged_similarity", [&] {
      const auto* given = gradient.data_ptr<scalar_t>();
      auto* sums = result.data_ptr<scalar_t>();
      at::parallel_for(0, gradient.size(0), 8, [&](int64_t from, int64_t to) {
        std::vector<int64_t> elements;
        for (int64_t b = from; b < to; ++b) {
          newest_first(begin, index, b, elements);
          backward_row(given + b * (2 * k + 3), elements, largest + b * k, k, sums);
        }
      });
    });
    return {result, Tensor(), Tensor(), Tensor()};
  }

 private:
  template <typename T>
  static void backward_row(const T* gradient, const std::vector<int64_t>& elements,
                           const int64_t* largest, int64_t k, T* result) {
    const int64_t count = std::ssize(elements);
    if (count == 0) return;
    const T of_mean = gradient[2 * k + 1] / static_cast<T>(count);
    for (int64_t m : elements) result[m] += of_mean;
    for (int64_t i = 0; i < std::min(k, count); ++i) {
      result[elements[static_cast<size_t>(i)]] += gradient[i];
      result[largest[i]] += gradient[k + i];
    }
    result[largest[0]] += gradient[2 * k + 2];
  }
};

struct Indices {
  Tensor offsets, document;
};

Indices check(const Tensor& cosines, const Tensor& offsets, const Tensor& document, int64_t k) {
  if (k < 1) fail<InvalidArgument>("ragged_similarity", "k is {}; expected at least 1", k);
  if (cosines.dim() != 1 || (document.defined() && cosines.numel() != document.numel()))
    fail<InvalidArgument>("ragged_similarity", "cosines of shape [{}] for {} elements",
                          fmt::join(cosines.sizes(), ", "), document.numel());
  return {checked_offsets("ragged_similarity", offsets, cosines.numel()),
          document.defined() ? document.to(torch::kInt64).contiguous()
                             : torch::empty({0}, torch::kInt64)};
}

}  // namespace

Tensor ragged_similarity(const Tensor& cosines, const Tensor& offsets, const Tensor& document,
                         int64_t k) {
  if (takes_launchers(cosines.device()))
    return ragged_similarity_on_device(cosines, offsets, document, k);
  if (!fits_loops(cosines)) return ragged_similarity_reference(cosines, offsets, document, k);
  const Indices indices = check(cosines, offsets, document, k);
  return RaggedSimilarity::apply(cosines.contiguous(), indices.offsets, indices.document, k);
}

Tensor ragged_similarity_reference(const Tensor& cosines, const Tensor& offsets,
                                   const Tensor& document, int64_t k) {
  Indices indices = check(cosines, offsets, document, k);
  if (!document.defined())
    indices.document = torch::zeros({cosines.numel()}, indices.offsets.options());
  const auto* begin = indices.offsets.data_ptr<int64_t>();
  std::vector<Tensor> rows = {torch::zeros({0, ragged_similarity_width(k)}, cosines.options())};
  for (int64_t b = 0; b + 1 < indices.offsets.numel(); ++b) {
    const int64_t length = begin[b + 1] - begin[b];
    const Tensor present = (indices.document.narrow(0, begin[b], length) >= 0).nonzero().flatten();
    const Tensor values = cosines.narrow(0, begin[b], length).index_select(0, present.flip(0));
    const int64_t count = values.numel(), kept = std::min(k, count);
    const Tensor sorted = std::get<0>(values.sort(-1, /*descending=*/true));
    const Tensor padding = torch::zeros({k - kept}, values.options());
    const Tensor none = torch::zeros({1}, values.options());
    rows.push_back(
        torch::cat({values.narrow(0, 0, kept), padding, sorted.narrow(0, 0, kept), padding,
                    torch::full_like(none, std::log1p(count) / 8),
                    count ? values.mean().reshape(1) : none, count ? sorted.narrow(0, 0, 1) : none})
            .unsqueeze(0));
  }
  return torch::cat(rows, 0);
}

}  // namespace lemur
