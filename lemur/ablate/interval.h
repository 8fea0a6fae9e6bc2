// Means over seeds and how sure they are.
#pragma once

#include <optional>
#include <span>

namespace lemur {

/// A mean and half the width of its 95% confidence interval (Student's t), which one value does not
/// have.
struct Interval {
  double mean = 0;
  std::optional<double> half_width;
};

/// Requires: values is not empty.
Interval interval_of(std::span<const double> values);

}  // namespace lemur
