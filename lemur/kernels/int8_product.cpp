#include "lemur/kernels/int8_product.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <dnnl.hpp>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/scratch.h"
#include "lemur/kernels/simd.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr const char* kWhere = "int8_product";
constexpr float kLargest = 127;
constexpr int64_t kRowStep = 32;  // rows are padded to a multiple: few shapes, few programs

using Type = dnnl::memory::data_type;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::memory::desc rows_desc(int64_t rows, int64_t columns, Type type) {
  return {{rows, columns}, type, dnnl::memory::format_tag::ab};
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

/// One thread for what is made on this one while it lives.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

int64_t padded_rows(int64_t rows) { return (rows + kRowStep - 1) / kRowStep * kRowStep; }

}  // namespace

struct Int8Weights::Impl {
  int64_t tokens, n, k;
  std::vector<float> scales, no_shifts;  // [T * n], [n] zeros
  std::vector<dnnl::memory> packed;      // by token, as the products want it
  std::vector<dnnl::matmul> products;    // of kRowStep rows, of twice as many, ...
  dnnl::memory::desc scratch;            // the largest that they need

  dnnl::matmul::primitive_desc describe(int64_t rows, const dnnl::memory::desc& weights) const {
    dnnl::primitive_attr attributes;  // scratch of the caller: a product is of no thread
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return {
        dnnl::matmul::desc(rows_desc(rows, k, Type::s8), weights, rows_desc(rows, n, Type::s32)),
        attributes, engine()};
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
  impl.no_shifts.resize(static_cast<size_t>(impl.n));
  std::vector<int8_t> rounded(static_cast<size_t>(whole.numel()));
  for (int64_t row = 0; row < impl.tokens * impl.n; ++row)
    impl.scales.push_back(quantise_row(whole.data_ptr<float>() + row * impl.k, impl.k,
                                       rounded.data() + row * impl.k));

  const OneThread one_thread;
  const dnnl::memory::dims dims = {impl.k, impl.n};
  const auto wanted =
      impl.describe(kMostRows, dnnl::memory::desc(dims, Type::s8, dnnl::memory::format_tag::any))
          .weights_desc();
  dnnl::stream stream(engine());
  for (int64_t token = 0; token < impl.tokens; ++token) {
    dnnl::memory plain({dims, Type::s8, dnnl::memory::format_tag::ba}, engine(),
                       rounded.data() + token * impl.n * impl.k);
    impl.packed.emplace_back(wanted, engine());
    dnnl::reorder(plain, impl.packed.back()).execute(stream, plain, impl.packed.back());
  }
  stream.wait();
  for (int64_t rows = kRowStep; rows <= kMostRows; rows += kRowStep) {
    const auto described = impl.describe(rows, wanted);
    impl.products.emplace_back(described);
    if (described.scratchpad_desc().get_size() >= impl.scratch.get_size())
      impl.scratch = described.scratchpad_desc();
  }
}

Int8Weights::~Int8Weights() = default;

void Int8Weights::product_rows(int64_t token, int64_t rows, const float* x, const float* bias,
                               float* y) const {
  const Impl& impl = *impl_;
  const int64_t padded = padded_rows(rows);
  auto* q = thread_buffer<int8_t, Impl>(kMostRows * impl.k);
  auto* sums = thread_buffer<int32_t, Impl>(kMostRows * impl.n);
  auto* scratch = thread_buffer<uint8_t, Impl>(static_cast<int64_t>(impl.scratch.get_size()));
  float scales[kMostRows];
  for (int64_t row = 0; row < rows; ++row)
    scales[row] = quantise_row(x + row * impl.k, impl.k, q + row * impl.k);
  std::fill(q + rows * impl.k, q + padded * impl.k, int8_t{0});

  dnnl::stream stream(engine());
  const dnnl::matmul& product = impl.products[static_cast<size_t>(padded / kRowStep - 1)];
  product.execute(stream, {{DNNL_ARG_SRC, {rows_desc(padded, impl.k, Type::s8), engine(), q}},
                           {DNNL_ARG_WEIGHTS, impl.packed[static_cast<size_t>(token)]},
                           {DNNL_ARG_DST, {rows_desc(padded, impl.n, Type::s32), engine(), sums}},
                           {DNNL_ARG_SCRATCHPAD, {impl.scratch, engine(), scratch}}});
  stream.wait();

  const float* shifts = bias == nullptr ? impl.no_shifts.data() : bias;
  for (int64_t row = 0; row < rows; ++row)
    scale_row(impl.n, sums + row * impl.n, scales[row], impl.scales.data() + token * impl.n, shifts,
              y + row * impl.n);
}

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
  const int64_t rows = x.size(-2);
  Tensor y = torch::empty({impl.tokens, rows, impl.n});
  const Tensor input = x.contiguous(), shift = bias.defined() ? bias.contiguous() : bias;
  const auto* values = input.data_ptr<float>();
  const auto* shifts = bias.defined() ? shift.data_ptr<float>() : nullptr;
  auto* result = y.data_ptr<float>();
  // At least a block for each thread.
  const int64_t most = std::clamp(
      padded_rows((rows + at::get_num_threads() - 1) / at::get_num_threads()), kRowStep, kMostRows);
  const int64_t blocks = (rows + most - 1) / most;
  at::parallel_for(0, impl.tokens * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t token = block / blocks, first = block % blocks * most,
                    row = token * rows + first;
      product_rows(token, std::min(most, rows - first), values + row * impl.k,
                   shifts == nullptr ? nullptr : shifts + token * impl.n, result + row * impl.n);
    }
  });
  return is_batched ? y : y.squeeze(0);
}

}  // namespace lemur
