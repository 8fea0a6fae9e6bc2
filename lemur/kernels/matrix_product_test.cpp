#include "lemur/kernels/matrix_product.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace lemur {
namespace {

using torch::Tensor;

/// Multiplies parts of larger matrices; returns the largest error, and fails where more than C is
/// written.
template <typename T>
double error_of(int64_t m, int64_t n, int64_t k, bool transposed, bool turned, bool add) {
  const auto type = torch::CppTypeToScalarType<T>::value;
  torch::manual_seed(m * 10007 + n * 101 + k);
  const Tensor a = torch::randn({transposed ? k : m, (transposed ? m : k) + 3}, type);
  const Tensor b = torch::randn({turned ? n : k, (turned ? k : n) + 5}, type),
               before = torch::randn({m + 1, n + 2}, type);
  Tensor c = before.clone();
  const MatrixView<T> view =
      transposed ? MatrixView<T>{a.data_ptr<T>(), 1, m + 3} : MatrixView<T>{a.data_ptr<T>(), k + 3};
  const MatrixView<T> b_view =
      turned ? MatrixView<T>{b.data_ptr<T>(), 1, k + 5} : MatrixView<T>{b.data_ptr<T>(), n + 5};
  multiply<T>(m, n, k, view, b_view, c.data_ptr<T>(), n + 2, add);
  const Tensor used = (transposed ? a.t() : a).narrow(0, 0, m).narrow(1, 0, k).to(torch::kFloat64);
  Tensor expected = before.to(torch::kFloat64);
  Tensor part = expected.narrow(0, 0, m).narrow(1, 0, n);
  const Tensor product =
      used.matmul((turned ? b.t() : b).narrow(0, 0, k).narrow(1, 0, n).to(torch::kFloat64));
  part.copy_(add ? part + product : product);
  return (c - expected).abs().max().template item<double>();
}

TEST(MatrixProduct, IsThatOfLibTorchForAnySizes) {
  for (int64_t m : {1, 2, 5, 11, 12, 13, 31})
    for (int64_t n : {1, 7, 15, 16, 17, 31, 32, 33, 48})
      for (int64_t k : {0, 1, 16, 50})
        for (int ways = 0; ways < 8; ++ways) {
          const bool transposed = ways & 1, turned = ways & 2, add = ways & 4;
          EXPECT_LT(error_of<float>(m, n, k, transposed, turned, add), 1e-4)
              << m << ' ' << n << ' ' << k << ' ' << ways;
          EXPECT_LT(error_of<double>(m, n, k, transposed, turned, add), 1e-12)
              << m << ' ' << n << ' ' << k << ' ' << ways;
        }
}

TEST(MatrixProduct, StartsFromABias) {
  for (int64_t n : {1, 31, 32, 33}) {
    const Tensor a = torch::randn({14, 20}), b = torch::randn({20, n}), bias = torch::randn({n});
    Tensor c = torch::full({14, n}, 7.0F);
    multiply<float>(14, n, 20, {a.data_ptr<float>(), 20}, {b.data_ptr<float>(), n},
                    c.data_ptr<float>(), n, false, bias.data_ptr<float>());
    EXPECT_TRUE(torch::allclose(c, a.matmul(b) + bias, 1e-5, 1e-5)) << n;
  }
}

TEST(MatrixProduct, GivesARowTheSameBitsWhereverItStands) {
  const Tensor row = torch::randn({1, 77}), b = torch::randn({77, 40});
  const Tensor a = row.repeat({31, 1});
  Tensor c = torch::empty({31, 40});
  multiply<float>(31, 40, 77, {a.data_ptr<float>(), 77}, {b.data_ptr<float>(), 40},
                  c.data_ptr<float>(), 40, false);
  for (int64_t i = 1; i < 31; ++i) EXPECT_TRUE(torch::equal(c[i], c[0])) << i;
}

}  // namespace
}  // namespace lemur
