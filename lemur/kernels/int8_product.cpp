#include "lemur/kernels/int8_product.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <dnnl.hpp>
#include <map>
#include <mutex>

#include "lemur/base/error.h"
#include "lemur/kernels/simd.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr const char* kWhere = "int8_product";
constexpr float kLargest = 127;
constexpr int64_t kRowStep = 32;   // rows are padded to a multiple: few shapes, few programs
constexpr int64_t kRowPiece = 64;  // rows that a thread takes at a time

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// Rounds a row [k] to 8 bits and returns its scale.
LEMUR_MULTIVERSION float quantise_row(const float* x, int64_t k, int8_t* q) {
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < k; ++i) largest = std::max(largest, std::abs(x[i]));
  const float factor = largest > 0 ? kLargest / largest : 0;
  // Numbers of this size have no places behind the point: adding it rounds to the nearest integer.
  constexpr float kRounding = 12582912.0F;
#pragma omp simd
  for (int64_t i = 0; i < k; ++i)
    q[i] = static_cast<int8_t>(static_cast<int32_t>((x[i] * factor + kRounding) - kRounding));
  return largest / kLargest;
}

/// Writes y [n] = sums times the row's and the columns' scales, plus a shift.
LEMUR_MULTIVERSION void scale_row(int64_t n, const int32_t* sums, float row_scale,
                                  const float* scales, const float* shifts, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    y[i] = static_cast<float>(sums[i]) * (row_scale * scales[i]) + shifts[i];
}

/// Calls body(first, last) for pieces of `rows` rows, on all threads.
template <typename Body>
void for_row_pieces(int64_t rows, const Body& body) {
  at::parallel_for(0, rows, kRowPiece, body);
}

}  // namespace

struct Int8Weights::Impl {
  int64_t tokens, n, k;
  Tensor scales;                                     // [T, n]
  dnnl::memory packed;                               // as the product of the first shape wanted it
  mutable std::mutex mutex;                          // guards products
  mutable std::map<int64_t, dnnl::matmul> products;  // by number of rows

  dnnl::memory::desc rows_desc(int64_t rows, int64_t columns, dnnl::memory::data_type type) const {
    return {{tokens, rows, columns}, type, dnnl::memory::format_tag::abc};
  }

  dnnl::matmul::primitive_desc describe(int64_t rows, const dnnl::memory::desc& weights) const {
    using Type = dnnl::memory::data_type;
    return {
        dnnl::matmul::desc(rows_desc(rows, k, Type::s8), weights, rows_desc(rows, n, Type::s32)),
        engine()};
  }

  dnnl::matmul product_of(int64_t rows) const {
    std::lock_guard lock(mutex);
    auto found = products.find(rows);
    if (found == products.end())
      found = products.emplace(rows, dnnl::matmul(describe(rows, packed.get_desc()))).first;
    return found->second;
  }
};

Int8Weights::Int8Weights(const Tensor& weight) : impl_(std::make_unique<Impl>()) {
  if ((weight.dim() != 2 && weight.dim() != 3) || weight.scalar_type() != torch::kFloat32 ||
      !weight.is_cpu())
    fail<InvalidArgument>(kWhere, "weights [{}] of {}", fmt::join(weight.sizes(), ", "),
                          toString(weight.scalar_type()));
  const Tensor whole = (weight.dim() == 3 ? weight : weight.unsqueeze(0)).detach().contiguous();
  Impl& impl = *impl_;
  impl.tokens = whole.size(0), impl.n = whole.size(1), impl.k = whole.size(2);
  impl.scales = torch::empty({impl.tokens, impl.n});
  Tensor rounded = torch::empty({impl.tokens, impl.n, impl.k}, torch::kInt8);
  for (int64_t row = 0; row < impl.tokens * impl.n; ++row)
    impl.scales.data_ptr<float>()[row] = quantise_row(
        whole.data_ptr<float>() + row * impl.k, impl.k, rounded.data_ptr<int8_t>() + row * impl.k);

  using Type = dnnl::memory::data_type;
  const dnnl::memory::dims dims = {impl.tokens, impl.k, impl.n};
  const auto wanted =
      impl.describe(512, dnnl::memory::desc(dims, Type::s8, dnnl::memory::format_tag::any))
          .weights_desc();
  dnnl::memory plain({dims, Type::s8, dnnl::memory::format_tag::acb}, engine(),
                     rounded.data_ptr<int8_t>());
  impl.packed = dnnl::memory(wanted, engine());
  dnnl::stream stream(engine());
  dnnl::reorder(plain, impl.packed).execute(stream, plain, impl.packed);
  stream.wait();
}

Int8Weights::~Int8Weights() = default;

Tensor Int8Weights::product(const Tensor& x, const Tensor& bias) const {
  const Impl& impl = *impl_;
  const bool is_batched = x.dim() == 3;
  if ((x.dim() != 2 && !is_batched) || (is_batched ? x.size(0) : 1) != impl.tokens ||
      x.size(-1) != impl.k || x.scalar_type() != torch::kFloat32)
    fail<InvalidArgument>(kWhere, "x [{}] of {} for weights [{}, {}, {}]",
                          fmt::join(x.sizes(), ", "), toString(x.scalar_type()), impl.tokens,
                          impl.n, impl.k);
  if (bias.defined() && bias.numel() != impl.tokens * impl.n)
    fail<InvalidArgument>(kWhere, "a bias [{}] for weights [{}, {}, {}]",
                          fmt::join(bias.sizes(), ", "), impl.tokens, impl.n, impl.k);
  const int64_t rows = x.size(-2), padded = (rows + kRowStep - 1) / kRowStep * kRowStep;
  Tensor y = torch::empty({impl.tokens, rows, impl.n});
  if (y.numel() == 0) return is_batched ? y : y.squeeze(0);

  const Tensor input = x.contiguous();
  Tensor q = torch::empty({impl.tokens, padded, impl.k}, torch::kInt8),
         sums = torch::empty({impl.tokens, padded, impl.n}, torch::kInt32),
         scales = torch::empty({impl.tokens, rows});
  const auto* values = input.data_ptr<float>();
  auto* rounded = q.data_ptr<int8_t>();
  auto* row_scales = scales.data_ptr<float>();
  for_row_pieces(impl.tokens * rows, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
      row_scales[row] = quantise_row(values + row * impl.k, impl.k,
                                     rounded + (row / rows * padded + row % rows) * impl.k);
  });
  if (padded > rows) q.narrow(1, rows, padded - rows).zero_();

  using Type = dnnl::memory::data_type;
  dnnl::stream stream(engine());
  impl.product_of(padded).execute(
      stream,
      {{DNNL_ARG_SRC, {impl.rows_desc(padded, impl.k, Type::s8), engine(), rounded}},
       {DNNL_ARG_WEIGHTS, impl.packed},
       {DNNL_ARG_DST, {impl.rows_desc(padded, impl.n, Type::s32), engine(), sums.data_ptr()}}});
  stream.wait();

  const auto* sum = sums.data_ptr<int32_t>();
  const auto* column_scales = impl.scales.data_ptr<float>();
  const Tensor shift = bias.defined() ? bias.contiguous() : torch::zeros({impl.tokens, impl.n});
  const auto* shifts = shift.data_ptr<float>();
  auto* result = y.data_ptr<float>();
  for_row_pieces(impl.tokens * rows, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const int64_t token = row / rows;
      scale_row(impl.n, sum + (token * padded + row % rows) * impl.n, row_scales[row],
                column_scales + token * impl.n, shifts + token * impl.n, result + row * impl.n);
    }
  });
  return is_batched ? y : y.squeeze(0);
}

}  // namespace lemur
