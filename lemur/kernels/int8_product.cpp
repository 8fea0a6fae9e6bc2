#include "lemur/kernels/int8_product.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/int8_vnni.h"
#include "lemur/simd/int8_rows.h"
#include "lemur/simd/path.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr int64_t kThreadRows = 32;  // a thread takes a multiple

}  // namespace

struct Int8Weights::Impl {
  int64_t tokens, n, k;
  std::vector<VnniWeights> vnni;  // by token, where the processor has it
  std::vector<Int8Matrix> own;    // elsewhere
};

bool Int8Weights::are_supported() { return VnniWeights::are_supported() || has_int8_rows(); }

int Int8Weights::weight_steps() {
  return VnniWeights::are_supported() ? kInt8Steps : kInt8WeightSteps;
}

Int8Weights::Int8Weights(const Tensor& weight) : impl_(std::make_unique<Impl>()) {
  if ((weight.dim() != 2 && weight.dim() != 3) || weight.scalar_type() != torch::kFloat32 ||
      !weight.is_cpu())
    fail<InvalidArgument>("int8_product", "weights [{}] of {}", fmt::join(weight.sizes(), ", "),
                          toString(weight.scalar_type()));
  if (!are_supported())
    fail<InvalidArgument>(
        "int8_product",
        "no products in 8 bits on the path '{}': it has no instructions that make "
        "them faster than float32",
        simd::path());
  const Tensor whole = (weight.dim() == 3 ? weight : weight.unsqueeze(0)).detach().contiguous();
  Impl& impl = *impl_;
  impl.tokens = whole.size(0), impl.n = whole.size(1), impl.k = whole.size(2);
  for (int64_t token = 0; token < impl.tokens; ++token) {
    const float* values = whole.data_ptr<float>() + token * impl.n * impl.k;
    if (VnniWeights::are_supported()) {
      impl.vnni.emplace_back(values, impl.n, impl.k);
    } else {
      impl.own.push_back(pack_int8(values, impl.n, impl.k));
    }
  }
}

Int8Weights::~Int8Weights() = default;

void Int8Weights::product_rows(int64_t token, int64_t rows, const float* x, const float* bias,
                               float* y) const {
  const auto place = static_cast<size_t>(token);
  if (impl_->own.empty()) {
    impl_->vnni[place].multiply(rows, x, bias, y);
  } else {
    int8_rows(impl_->own[place], rows, x, bias, y);
  }
}

Tensor Int8Weights::product(const Tensor& x, const Tensor& bias) const {
  const Impl& impl = *impl_;
  const bool is_batched = x.dim() == 3;
  if ((x.dim() != 2 && !is_batched) || (is_batched ? x.size(0) : 1) != impl.tokens ||
      x.size(-1) != impl.k || x.scalar_type() != torch::kFloat32)
    fail<InvalidArgument>("int8_product", "x [{}] of {} for weights [{}, {}, {}]",
                          fmt::join(x.sizes(), ", "), toString(x.scalar_type()), impl.tokens,
                          impl.n, impl.k);
  if (bias.defined() && bias.numel() != impl.tokens * impl.n)
    fail<InvalidArgument>("int8_product", "a bias [{}] for weights [{}, {}, {}]",
                          fmt::join(bias.sizes(), ", "), impl.tokens, impl.n, impl.k);
  const int64_t rows = x.size(-2);
  Tensor y = torch::empty({impl.tokens, rows, impl.n});
  const Tensor input = x.contiguous(), shift = bias.defined() ? bias.contiguous() : bias;
  const auto* values = input.data_ptr<float>();
  const auto* shifts = bias.defined() ? shift.data_ptr<float>() : nullptr;
  auto* result = y.data_ptr<float>();
  // At least a block for each thread.
  const int64_t share = (rows + at::get_num_threads() - 1) / at::get_num_threads(),
                most = std::clamp((share + kThreadRows - 1) / kThreadRows * kThreadRows,
                                  kThreadRows, kMostRows);
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
