#include "lemur/kernels/adamw.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "lemur/simd/row_functions.h"

namespace lemur {
namespace {

constexpr int64_t kBlock = 1 << 14;  // values that a thread takes at a time

/// Calls body(begin, size) for blocks of values, the same for any number of threads.
template <typename Body>
void for_each_block(int64_t n, const Body& body) {
  at::parallel_for(0, (n + kBlock - 1) / kBlock, 1, [&](int64_t first, int64_t last) {
    for (int64_t begin = first * kBlock; begin < std::min(last * kBlock, n); begin += kBlock)
      body(begin, std::min(kBlock, n - begin));
  });
}

}  // namespace

void adamw_update(const AdamWFactors& factors, int64_t n, const float* gradient, float* first,
                  float* second, float* value) {
  for_each_block(n, [&](int64_t begin, int64_t size) {
    adamw_values(factors, size, gradient + begin, first + begin, second + begin, value + begin);
  });
}

double sum_of_squares(int64_t n, const float* values) {
  std::vector<double> sums(static_cast<size_t>((n + kBlock - 1) / kBlock));
  for_each_block(n, [&](int64_t begin, int64_t size) {
    sums[static_cast<size_t>(begin / kBlock)] = sum_squares(size, values + begin);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace lemur
