#include "lemur/kernels/gelu.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "lemur/kernels/row_check.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr int64_t kPiece = 1 << 14;  // values that a thread takes at a time

/// Calls body(a value of x's type, first value, count) for pieces of x.
template <typename Body>
void for_pieces(const Tensor& x, const Body& body) {
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "gelu", [&] {
    at::parallel_for(0, x.numel(), kPiece,
                     [&](int64_t begin, int64_t end) { body(scalar_t(), begin, end - begin); });
  });
}

class Gelu : public torch::autograd::Function<Gelu> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x) {
    context->save_for_backward({x});
    Tensor y = torch::empty_like(x);
    for_pieces(x, [&](auto type, int64_t first, int64_t count) {
      using T = decltype(type);
      gelu_values(count, x.data_ptr<T>() + first, y.data_ptr<T>() + first);
    });
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const Tensor x = context->get_saved_variables()[0];
    Tensor gradient = gradients[0].clone(at::MemoryFormat::Contiguous);
    for_pieces(x, [&](auto type, int64_t first, int64_t count) {
      using T = decltype(type);
      gelu_backward_values(count, x.data_ptr<T>() + first, gradient.data_ptr<T>() + first);
    });
    return {gradient};
  }
};

}  // namespace

Tensor pointwise_gelu(const Tensor& x) {
  return fits_loops(x) ? Gelu::apply(x.contiguous()) : torch::gelu(x);
}

}  // namespace lemur
