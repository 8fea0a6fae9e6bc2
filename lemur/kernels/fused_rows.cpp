#include "lemur/kernels/fused_rows.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/kernels/device.h"
#include "lemur/kernels/fused_rows_cuda.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

cuda::RowShape shape_of(const Tensor& x) { return {x.size(0), x.size(1)}; }

template <typename T>
T* data(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

/// Calls body(a value of the kernels' type) for x's type.
template <typename Body>
void with_type(const Tensor& x, const Body& body) {
  if (x.scalar_type() == torch::kBFloat16)
    body(cuda::Bfloat16());
  else
    body(float());
}

Tensor parts_of_sum(const Tensor& like) {
  return torch::empty({cuda::kRowParts, like.size(1)}, like.options().dtype(torch::kFloat32));
}

class BiasGelu : public torch::autograd::Function<BiasGelu> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& bias) {
    context->save_for_backward({x, bias});
    Tensor y = torch::empty_like(x);
    with_type(x, [&](auto type) {
      using T = decltype(type);
      cuda::bias_gelu_forward<T>(shape_of(x), data<T>(x), data<float>(bias), data<T>(y),
                                 stream_of(x));
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &bias = saved[1],
                 given = gradients[0].to(x.scalar_type()).contiguous();
    Tensor dx = torch::empty_like(x), of_bias = parts_of_sum(x);
    with_type(x, [&](auto type) {
      using T = decltype(type);
      cuda::bias_gelu_backward<T>(shape_of(x), data<T>(x), data<float>(bias), data<T>(given),
                                  data<T>(dx), data<float>(of_bias), stream_of(x));
    });
    return {dx, of_bias.sum(0)};
  }
};

class AddNormalize : public torch::autograd::Function<AddNormalize> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& residual,
                               const Tensor& gain, const Tensor& bias) {
    Tensor sum = torch::empty_like(x), y = torch::empty_like(x);
    const auto of_rows = [&] { return torch::empty({x.size(0)}, gain.options()); };
    Tensor mean = of_rows(), inverse = of_rows();
    with_type(x, [&](auto type) {
      using T = decltype(type);
      cuda::add_norm_forward<T>(shape_of(x), data<T>(x), data<T>(residual), data<float>(gain),
                                data<float>(bias), data<T>(sum), data<T>(y), data<float>(mean),
                                data<float>(inverse), stream_of(x));
    });
    context->save_for_backward({sum, gain, mean, inverse});
    return {sum, y};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &sum = saved[0], &gain = saved[1], &mean = saved[2], &inverse = saved[3];
    const auto given = [&](size_t i) {
      return gradients[i].defined() ? gradients[i].to(sum.scalar_type()).contiguous()
                                    : torch::zeros_like(sum);
    };
    const Tensor of_sum = given(0), of_y = given(1);
    Tensor dx = torch::empty_like(sum), of_gain = parts_of_sum(sum), of_bias = parts_of_sum(sum);
    with_type(sum, [&](auto type) {
      using T = decltype(type);
      cuda::add_norm_backward<T>(shape_of(sum), data<T>(sum), data<float>(gain), data<float>(mean),
                                 data<float>(inverse), data<T>(of_y), data<T>(of_sum), data<T>(dx),
                                 data<float>(of_gain), data<float>(of_bias), stream_of(sum));
    });
    return {dx, dx, of_gain.sum(0), of_bias.sum(0)};
  }
};

void check(const char* where, const Tensor& x, const Tensor& row) {
  if (x.dim() != 2 || row.dim() != 1 || row.size(0) != x.size(1))
    fail<InvalidArgument>(where, "a row [{}] for x [{}]", fmt::join(row.sizes(), ", "),
                          fmt::join(x.sizes(), ", "));
}

Tensor kernel_rows(const Tensor& x) {
  return (x.scalar_type() == torch::kBFloat16 ? x : x.to(torch::kFloat32)).contiguous();
}

Tensor kernel_row(const Tensor& x) { return x.to(torch::kFloat32).contiguous(); }

}  // namespace

Tensor bias_gelu(const Tensor& x, const Tensor& bias) {
  if (takes_launchers(x.device())) return bias_gelu_on_device(x, bias);
  check("bias_gelu", x, bias);
  return torch::gelu(x + bias.to(x.dtype()));
}

std::pair<Tensor, Tensor> add_normalize(const Tensor& x, const Tensor& residual, const Tensor& gain,
                                        const Tensor& bias) {
  if (takes_launchers(x.device())) return add_normalize_on_device(x, residual, gain, bias);
  check("add_normalize", x, gain);
  const Tensor sum = x + residual;
  return {sum, torch::layer_norm(sum, {sum.size(1)}, gain, bias, kLayerNormEpsilon)};
}

Tensor bias_gelu_on_device(const Tensor& x, const Tensor& bias) {
  check("bias_gelu", x, bias);
  return BiasGelu::apply(kernel_rows(x), kernel_row(bias));
}

std::pair<Tensor, Tensor> add_normalize_on_device(const Tensor& x, const Tensor& residual,
                                                  const Tensor& gain, const Tensor& bias) {
  check("add_normalize", x, gain);
  if (x.sizes() != residual.sizes() || gain.sizes() != bias.sizes())
    fail<InvalidArgument>("add_normalize", "x [{}], residual [{}], gain [{}], bias [{}]",
                          fmt::join(x.sizes(), ", "), fmt::join(residual.sizes(), ", "),
                          fmt::join(gain.sizes(), ", "), fmt::join(bias.sizes(), ", "));
  const auto type = x.scalar_type() == residual.scalar_type() ? x.scalar_type() : torch::kFloat32;
  const variable_list both = AddNormalize::apply(
      kernel_rows(x.to(type)), kernel_rows(residual.to(type)), kernel_row(gain), kernel_row(bias));
  return {both[0], both[1]};
}

}  // namespace lemur
