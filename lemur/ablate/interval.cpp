#include "lemur/ablate/interval.h"

#include <array>
#include <cmath>
#include <numeric>

namespace lemur {
namespace {

/// Returns the 97.5% quantile of Student's t.
double quantile(size_t degrees) {
  static constexpr std::array<double, 30> kQuantiles = {
      12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
      2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
      2.0796,  2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423};
  if (degrees <= kQuantiles.size()) return kQuantiles[degrees - 1];
  return 1.95996 + 2.4 / static_cast<double>(degrees);
}

}  // namespace

Interval interval_of(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  Interval result{.mean = std::accumulate(values.begin(), values.end(), 0.0) / count};
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.half_width = quantile(values.size() - 1) * std::sqrt(squares / (count - 1) / count);
  return result;
}

}  // namespace lemur
