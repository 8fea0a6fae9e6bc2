#include "lemur/kernels/int8_vnni.h"

#include <omp.h>

#include <algorithm>
#include <dnnl.hpp>
#include <vector>

#include "lemur/simd/int8_rows.h"
#include "lemur/simd/path.h"
#include "lemur/simd/scratch.h"

namespace lemur {
namespace {

constexpr int64_t kPaddedRows = 32;  // rows are padded to a multiple: few shapes, few programs

using Type = dnnl::memory::data_type;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::memory::desc rows_desc(int64_t rows, int64_t columns, Type type) {
  return {{rows, columns}, type, dnnl::memory::format_tag::ab};
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

int64_t padded_rows(int64_t rows) { return (rows + kPaddedRows - 1) / kPaddedRows * kPaddedRows; }

}  // namespace

struct VnniWeights::Impl {
  int64_t n, k;                          // k: padded
  int64_t row_size;                      // of what is given
  std::vector<float> scales, no_shifts;  // [n], [n] zeros
  dnnl::memory packed;                   // as the products want it
  std::vector<dnnl::matmul> products;    // of kPaddedRows rows, of twice as many, ...
  dnnl::memory::desc scratch;            // the largest that they need

  dnnl::matmul::primitive_desc describe(int64_t rows, const dnnl::memory::desc& weights) const {
    dnnl::primitive_attr attributes;  // scratch of the caller: a product is of no thread
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const auto from = rows_desc(rows, k, Type::s8), to = rows_desc(rows, n, Type::s32);
#if DNNL_VERSION_MAJOR >= 3
    return {engine(), from, weights, to, attributes};
#else
    return {dnnl::matmul::desc(from, weights, to), attributes, engine()};
#endif
  }
};

bool VnniWeights::are_supported() {
  const auto has = static_cast<int>(dnnl::get_effective_cpu_isa()),
             needs = static_cast<int>(dnnl::cpu_isa::avx512_core_vnni);
  return simd::path() == "avx512" && (has & needs) == needs;
}

VnniWeights::VnniWeights(const float* weight, int64_t n, int64_t k)
    : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.n = n, impl.k = int8_padded(k), impl.row_size = k;
  impl.no_shifts.resize(static_cast<size_t>(n));
  std::vector<int8_t> rounded(static_cast<size_t>(n * impl.k));
  for (int64_t row = 0; row < n; ++row)
    impl.scales.push_back(quantise_row(weight + row * k, k, rounded.data() + row * impl.k));

  const OneThread one_thread;
  const dnnl::memory::dims dims = {impl.k, n};
  const auto wanted =
      impl.describe(kMostRows, dnnl::memory::desc(dims, Type::s8, dnnl::memory::format_tag::any))
          .weights_desc();
  dnnl::stream stream(engine());
  dnnl::memory plain({dims, Type::s8, dnnl::memory::format_tag::ba}, engine(), rounded.data());
  impl.packed = dnnl::memory(wanted, engine());
  dnnl::reorder(plain, impl.packed).execute(stream, plain, impl.packed);
  stream.wait();
  for (int64_t rows = kPaddedRows; rows <= kMostRows; rows += kPaddedRows) {
    const auto described = impl.describe(rows, wanted);
    impl.products.emplace_back(described);
    if (described.scratchpad_desc().get_size() >= impl.scratch.get_size())
      impl.scratch = described.scratchpad_desc();
  }
}

VnniWeights::~VnniWeights() = default;
VnniWeights::VnniWeights(VnniWeights&&) noexcept = default;

void VnniWeights::multiply(int64_t rows, const float* x, const float* bias, float* y) const {
  const Impl& impl = *impl_;
  const int64_t padded = padded_rows(rows);
  auto* q = thread_buffer<int8_t, Impl>(kMostRows * impl.k);
  auto* sums = thread_buffer<int32_t, Impl>(kMostRows * impl.n);
  auto* scratch = thread_buffer<uint8_t, Impl>(static_cast<int64_t>(impl.scratch.get_size()));
  float scales[kMostRows];
  for (int64_t row = 0; row < rows; ++row)
    scales[row] = quantise_row(x + row * impl.row_size, impl.row_size, q + row * impl.k);
  std::fill(q + rows * impl.k, q + padded * impl.k, int8_t{0});

  dnnl::stream stream(engine());
  const dnnl::matmul& product = impl.products[static_cast<size_t>(padded / kPaddedRows - 1)];
  product.execute(stream, {{DNNL_ARG_SRC, {rows_desc(padded, impl.k, Type::s8), engine(), q}},
                           {DNNL_ARG_WEIGHTS, impl.packed},
                           {DNNL_ARG_DST, {rows_desc(padded, impl.n, Type::s32), engine(), sums}},
                           {DNNL_ARG_SCRATCHPAD, {impl.scratch, engine(), scratch}}});
  stream.wait();

  const float* shifts = bias == nullptr ? impl.no_shifts.data() : bias;
  for (int64_t row = 0; row < rows; ++row)
    scale_row(impl.n, sums + row * impl.n, scales[row], impl.scales.data(), shifts,
              y + row * impl.n);
}

}  // namespace lemur
