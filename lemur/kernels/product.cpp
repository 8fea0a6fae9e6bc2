#include "lemur/kernels/product.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/kernels/row_check.h"
#include "lemur/simd/flops.h"
#include "lemur/simd/matrix_product.h"
#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

using torch::Tensor;

// Pieces of C: their panels of B and rows of A fit a core's cache.
constexpr int64_t kRows = 256, kColumns = 128;
constexpr int64_t kGroups = 8;  // sums over rows are gathered in so many places

int64_t pieces(int64_t size, int64_t most) { return (size + most - 1) / most; }

/// Writes c [T, m, n], contiguous, = a b, plus `bias` [T, n], contiguous, where it is defined.
void multiply_tensors(const Tensor& a, const Tensor& b, const Tensor& bias, Tensor& c) {
  const int64_t batch = c.size(0), m = c.size(1), n = c.size(2), k = a.size(2);
  const int64_t row_pieces = pieces(m, kRows), column_pieces = pieces(n, kColumns);
  AT_DISPATCH_FLOATING_TYPES(c.scalar_type(), "product", [&] {
    using T = scalar_t;
    const T *left = a.data_ptr<T>(), *right = b.data_ptr<T>();
    const T* shift = bias.defined() ? bias.data_ptr<T>() : nullptr;
    T* result = c.data_ptr<T>();
    at::parallel_for(0, batch * row_pieces * column_pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t t = piece / (row_pieces * column_pieces);
        const int64_t row = piece / column_pieces % row_pieces * kRows;
        const int64_t column = piece % column_pieces * kColumns;
        const int64_t rows = std::min(kRows, m - row), columns = std::min(kColumns, n - column);
        multiply<T>(rows, columns, k,
                    {left + t * a.stride(0) + row * a.stride(1), a.stride(1), a.stride(2)},
                    {right + t * b.stride(0) + column * b.stride(2), b.stride(1), b.stride(2)},
                    result + (t * m + row) * n + column, n, /*add=*/false,
                    shift == nullptr ? nullptr : shift + t * n + column);
      }
    });
  });
}

Tensor multiplied(const Tensor& a, const Tensor& b, const Tensor& bias = {}) {
  Tensor c = torch::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  multiply_tensors(a, b, bias, c);
  return c;
}

/// Returns the sum over the rows of x [T, m, n], [T, n].
Tensor row_sums(const Tensor& x) {
  Tensor sums = torch::zeros({x.size(0), x.size(2)}, x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "product", [&] {
    at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        add_rows({x.size(1), x.size(2)}, x.data_ptr<scalar_t>() + t * x.size(1) * x.size(2),
                 x.size(2), sums.data_ptr<scalar_t>() + t * x.size(2));
    });
  });
  return sums;
}

/// Over [T, m, k], [T, k, n] and [T, n]; a bias of one dimension stands for none.
class Product : public torch::autograd::Function<Product> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& a, const Tensor& b,
                        const Tensor& bias) {
    context->save_for_backward({a, b});
    context->saved_data["part"] = static_cast<int64_t>(current_flop_part());
    return multiplied(a, b, bias.dim() == 1 ? Tensor() : bias.contiguous());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const FlopScope counted(static_cast<FlopPart>(context->saved_data["part"].toInt()));
    const Tensor &a = saved[0], &b = saved[1], gradient = gradients[0].contiguous();
    Tensor grad_a, grad_b, grad_bias;
    if (context->needs_input_grad(0)) grad_a = multiplied(gradient, b.transpose(1, 2));
    if (context->needs_input_grad(1)) {
      // Laid out like B, which mostly is a transposed weight.
      const bool turned = b.stride(1) == 1 && b.stride(2) != 1;
      grad_b = turned ? multiplied(gradient.transpose(1, 2), a).transpose(1, 2)
                      : multiplied(a.transpose(1, 2), gradient);
    }
    if (context->needs_input_grad(2)) grad_bias = row_sums(gradient);
    return {grad_a, grad_b, grad_bias};
  }
};

class Normalize : public torch::autograd::Function<Normalize> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& gain, const Tensor& bias, double epsilon) {
    context->save_for_backward({x, gain});
    context->saved_data["epsilon"] = epsilon;
    Tensor y = torch::empty_like(x);
    for_rows(x, pieces(x.size(0), kRows), [&](auto type, Rows rows, int64_t first, int64_t) {
      using T = decltype(type);
      layer_norm_rows(rows, x.data_ptr<T>() + first, gain.data_ptr<T>(), bias.data_ptr<T>(),
                      y.data_ptr<T>() + first, epsilon);
    });
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &gain = saved[1], gradient = gradients[0].contiguous();
    Tensor grad_x = torch::zeros_like(x);
    const Tensor sums = torch::zeros({2, kGroups, x.size(1)}, x.options());
    for_rows(x, kGroups, [&](auto type, Rows rows, int64_t first, int64_t group) {
      using T = decltype(type);
      layer_norm_backward_rows(rows, x.data_ptr<T>() + first, gain.data_ptr<T>(),
                               gradient.data_ptr<T>() + first, grad_x.data_ptr<T>() + first,
                               sums[0][group].data_ptr<T>(), sums[1][group].data_ptr<T>(),
                               context->saved_data["epsilon"].toDouble());
    });
    return {grad_x, sums[0].sum(0), sums[1].sum(0), Tensor()};
  }

 private:
  /// Calls body(a value of x's type, rows, first value, part) for that many parts of x [m, d].
  template <typename Body>
  static void for_rows(const Tensor& x, int64_t parts, const Body& body) {
    const int64_t rows = x.size(0), width = x.size(1),
                  most = pieces(rows, std::max<int64_t>(parts, 1));
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "normalize", [&] {
      at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
        for (int64_t part = begin; part < end; ++part) {
          const int64_t first = std::min(part * most, rows);
          body(scalar_t(), Rows{std::min(most, rows - first), width}, first * width, part);
        }
      });
    });
  }
};

void check(const Tensor& a, const Tensor& b, const Tensor& bias) {
  const int64_t d = a.dim();
  // On CUDA autocast brings both to one type.
  const auto one_type = [&](const Tensor& x) {
    return a.is_cuda() || x.scalar_type() == a.scalar_type();
  };
  const bool fits = (d == 2 || d == 3) && b.dim() == d && a.size(d - 1) == b.size(d - 2) &&
                    (d == 2 || a.size(0) == b.size(0)) && one_type(b);
  if (!fits)
    fail<InvalidArgument>("product", "[{}] of {} times [{}] of {}", fmt::join(a.sizes(), ", "),
                          toString(a.scalar_type()), fmt::join(b.sizes(), ", "),
                          toString(b.scalar_type()));
  if (bias.defined() && (bias.dim() != d - 1 || bias.size(d - 2) != b.size(d - 1) ||
                         (d == 3 && bias.size(0) != b.size(0)) || !one_type(bias)))
    fail<InvalidArgument>("product", "a bias [{}] for [{}] times [{}]",
                          fmt::join(bias.sizes(), ", "), fmt::join(a.sizes(), ", "),
                          fmt::join(b.sizes(), ", "));
}

}  // namespace

Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias) {
  check(a, b, bias);
  if (!fits_loops(a)) return product_reference(a, b, bias);
  const auto whole = [&](const Tensor& x) { return a.dim() == 3 ? x : x.unsqueeze(0); };
  const Tensor shift = bias.defined() ? whole(bias) : torch::empty({0}, a.options());
  const Tensor result = Product::apply(whole(a), whole(b), shift);
  return a.dim() == 3 ? result : result.squeeze(0);
}

Tensor product_reference(const Tensor& a, const Tensor& b, const Tensor& bias) {
  check(a, b, bias);
  if (a.is_cuda() && bias.defined())  // one operation of the library, autocast included
    return a.dim() == 2 ? torch::addmm(bias, a, b) : torch::baddbmm(bias.unsqueeze(1), a, b);
  const Tensor result = torch::matmul(a, b);
  return bias.defined() ? result + bias.unsqueeze(-2) : result;
}

Tensor normalize(const Tensor& x, const Tensor& gain, const Tensor& bias, double epsilon) {
  const int64_t width = gain.dim() == 1 ? gain.size(0) : 0;
  if (x.dim() < 1 || width < 1 || x.size(-1) != width || bias.sizes() != gain.sizes() ||
      (!x.is_cuda() &&
       (x.scalar_type() != gain.scalar_type() || gain.scalar_type() != bias.scalar_type())))
    fail<InvalidArgument>("normalize", "x is [{}], gain [{}], bias [{}]",
                          fmt::join(x.sizes(), ", "), fmt::join(gain.sizes(), ", "),
                          fmt::join(bias.sizes(), ", "));
  if (!fits_loops(x)) return torch::layer_norm(x, {width}, gain, bias, epsilon);
  return Normalize::apply(x.reshape({-1, width}).contiguous(), gain.contiguous(), bias.contiguous(),
                          epsilon)
      .view(x.sizes());
}

}  // namespace lemur
