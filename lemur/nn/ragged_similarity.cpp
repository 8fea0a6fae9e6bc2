#include "lemur/nn/ragged_similarity.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/ragged_device.h"
#include "lemur/kernels/row_check.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr const char* kWhere = "ragged_similarity";

/// Returns the elements of sample b that are not missing (`document` null: all), newest first.
void newest_first(const int64_t* offsets, const int64_t* document, int64_t b,
                  std::vector<int64_t>& elements) {
  elements.clear();
  for (int64_t m = offsets[b + 1] - 1; m >= offsets[b]; --m)
    if (document == nullptr || document[m] >= 0) elements.push_back(m);
}

/// What one sample's cosines need while they are sorted.
template <typename T>
struct Sorting {
  std::vector<T> cosines, highest;           // newest first; of groups of cosines
  std::vector<std::pair<T, int64_t>> order;  // minus the cosine, element
};

/// Returns a number that at least k of the values reach: the k-th of the highest of 4 k groups.
template <typename T>
T reached_by(int64_t k, const std::vector<T>& values, std::vector<T>& highest) {
  const auto groups = static_cast<size_t>(4 * k);
  highest.assign(values.begin(), values.begin() + static_cast<int64_t>(groups));
  for (size_t first = groups; first < values.size(); first += groups) {
    const size_t count = std::min(groups, values.size() - first);
    for (size_t g = 0; g < count; ++g) highest[g] = std::max(highest[g], values[first + g]);
  }
  std::nth_element(highest.begin(), highest.begin() + k - 1, highest.end(), std::greater());
  return highest[static_cast<size_t>(k - 1)];
}

/// Puts the k largest cosines in front of sorting.order, the largest first.
template <typename T>
void sort_largest(const std::vector<int64_t>& elements, int64_t k, Sorting<T>& sorting) {
  const size_t count = elements.size();
  auto& order = sorting.order;
  const auto list_from = [&](T least) {
    order.resize(count + 1);  // each is written, and overwritten where it is too small
    size_t listed = 0;
    for (size_t i = 0; i < count; ++i) {
      order[listed] = {-sorting.cosines[i], elements[i]};
      listed += !(sorting.cosines[i] < least);
    }
    order.resize(listed);
  };
  list_from(std::ssize(elements) > 4 * k ? reached_by(k, sorting.cosines, sorting.highest)
                                         : -std::numeric_limits<T>::infinity());
  if (std::ssize(order) < k) list_from(-std::numeric_limits<T>::infinity());
  // Equal cosines are ordered by element: they give the same features, the gradient one place.
  std::partial_sort(order.begin(), order.begin() + k, order.end());
}

/// Fills `features` [2 * k + 3] of one sample and `largest` with its largest k elements.
template <typename T>
void forward_row(const T* cosines, const std::vector<int64_t>& elements, int64_t k, T* features,
                 Sorting<T>& sorting, int64_t* largest) {
  const int64_t count = std::ssize(elements), kept = std::min(k, count);
  features[2 * k] = static_cast<T>(std::log1p(static_cast<double>(count)) / 8);
  if (count == 0) return;
  sorting.cosines.resize(elements.size());
  T sum = 0;
  for (size_t i = 0; i < elements.size(); ++i) sum += sorting.cosines[i] = cosines[elements[i]];
  sort_largest(elements, kept, sorting);
  for (int64_t i = 0; i < kept; ++i) {
    features[i] = sorting.cosines[static_cast<size_t>(i)];
    features[k + i] = -sorting.order[static_cast<size_t>(i)].first;
    largest[i] = sorting.order[static_cast<size_t>(i)].second;
  }
  features[2 * k + 1] = sum / static_cast<T>(count);
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
    AT_DISPATCH_FLOATING_TYPES(cosines.scalar_type(), kWhere, [&] {
      const auto* values = cosines.data_ptr<scalar_t>();
      auto* result = features.data_ptr<scalar_t>();
      at::parallel_for(0, samples, 8, [&](int64_t from, int64_t to) {
        std::vector<int64_t> elements;
        Sorting<scalar_t> sorting;
        for (int64_t b = from; b < to; ++b) {
          newest_first(begin, index, b, elements);
          forward_row(values, elements, k, result + b * (2 * k + 3), sorting, kept + b * k);
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
    AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), kWhere, [&] {
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
  if (k < 1) fail<InvalidArgument>(kWhere, "k is {}; expected at least 1", k);
  if (cosines.dim() != 1 || (document.defined() && cosines.numel() != document.numel()))
    fail<InvalidArgument>(kWhere, "cosines of shape [{}] for {} elements",
                          fmt::join(cosines.sizes(), ", "), document.numel());
  return {checked_offsets(kWhere, offsets, cosines.numel()),
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
