#include "lemur/nn/ragged_similarity.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/ragged_device.h"
#include "lemur/kernels/row_check.h"
#include "lemur/kernels/simd.h"

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

/// Cosines of one sample, oldest first, and room to sort them.
template <typename T>
struct Sorting {
  std::vector<T> present;         // without those of missing documents
  std::vector<int64_t> elements;  // of `present`
  std::vector<T> highest;         // of groups of cosines
  std::vector<int64_t> reaching;  // places of cosines that may be among the largest
  std::vector<T> values;          // of those
  std::vector<int64_t> largest;   // places of the largest, the largest first
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

/// Returns how many of the values come before value i: the larger ones and, of equal ones, those at
/// a smaller place. Counting them is faster than a sort, whose branches nobody can predict. What
/// lies behind the values up to a whole vector must be -infinity.
template <typename T>
LEMUR_INLINE int64_t rank_of(const T* values, int64_t count, int64_t i) {
  const T value = values[i];
  int32_t before = 0;
  for (int64_t first = 0; first < count; first += simd::kLanes<T>) {
    const T* part = values + first;
    const auto place = static_cast<int32_t>(i - first);
#pragma omp simd reduction(+ : before)
    for (int32_t lane = 0; lane < simd::kLanes<T>; ++lane)
      before += static_cast<int32_t>(part[lane] > value) |
                (static_cast<int32_t>(part[lane] == value) & static_cast<int32_t>(lane < place));
  }
  return before;
}

/// Lengthens `values` to whole vectors.
template <typename T>
LEMUR_INLINE void pad(std::vector<T>& values) {
  values.resize(static_cast<size_t>(simd::padded<T>(std::ssize(values))),
                -std::numeric_limits<T>::infinity());
}

/// Returns a number that at least k of the `count` > 4 k values reach: the k-th of the highest of
/// 2 k groups.
template <typename T>
LEMUR_INLINE T reached_by(int64_t k, const T* values, int64_t count, std::vector<T>& highest) {
  const int64_t groups = 2 * k;
  highest.assign(values, values + groups);
  T* high = highest.data();
  for (int64_t first = groups; first < count; first += groups) {
    const T* group = values + first;
    for (int64_t g = 0; g < std::min(groups, count - first); ++g)
      high[g] = high[g] < group[g] ? group[g] : high[g];
  }
  pad(highest);
  high = highest.data();
  for (int64_t g = 0; g < groups; ++g)
    if (rank_of(high, groups, g) == k - 1) return high[g];
  return -std::numeric_limits<T>::infinity();  // not numbers
}

template <typename T>
LEMUR_INLINE void list_largest_of(int64_t k, const T* values, int64_t count, Sorting<T>& sorting) {
  sorting.reaching.resize(static_cast<size_t>(count));
  int64_t* reaching = sorting.reaching.data();
  int64_t listed = 0;
  if (count > 4 * k) {
    const T least = reached_by(k, values, count, sorting.highest);
    for (int64_t i = 0; i < count; ++i) {
      reaching[listed] = i;
      listed += values[i] >= least ? 1 : 0;
    }
  }
  if (listed < k) std::iota(reaching, reaching + (listed = count), 0);  // short, or not numbers
  sorting.values.resize(static_cast<size_t>(listed));
  for (int64_t i = 0; i < listed; ++i) sorting.values[i] = values[reaching[i]];
  pad(sorting.values);
  sorting.largest.assign(static_cast<size_t>(k), 0);
  for (int64_t i = 0; i < listed; ++i) {
    const int64_t rank = rank_of(sorting.values.data(), listed, i);
    if (rank < k) sorting.largest[rank] = reaching[i];
  }
}

/// Lists the places of the k <= count largest values, the largest first, equal ones by their place:
/// they give the same features, the gradient goes to one place.
LEMUR_MULTIVERSION void list_largest(int64_t k, const float* values, int64_t count,
                                     Sorting<float>& sorting) {
  list_largest_of(k, values, count, sorting);
}
void list_largest(int64_t k, const double* values, int64_t count, Sorting<double>& sorting) {
  list_largest_of(k, values, count, sorting);
}

/// Fills `features` [2 * k + 3] of one sample from its cosines, oldest first, and lists its
/// largest in sorting.largest.
template <typename T>
void forward_row(int64_t k, const T* cosines, int64_t count, T* features, Sorting<T>& sorting) {
  features[2 * k] = static_cast<T>(std::log1p(static_cast<double>(count)) / 8);
  if (count == 0) return;
  const int64_t kept = std::min(k, count);
  list_largest(kept, cosines, count, sorting);
  for (int64_t i = 0; i < kept; ++i) {
    features[i] = cosines[count - 1 - i];
    features[k + i] = cosines[sorting.largest[static_cast<size_t>(i)]];
  }
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += cosines[i];
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
            const int64_t place = sorting.largest[static_cast<size_t>(i)];
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
