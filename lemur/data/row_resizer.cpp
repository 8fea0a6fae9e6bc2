#include "lemur/data/row_resizer.h"

#include <algorithm>
#include <cmath>

namespace lemur {

RowResizer::RowResizer(int64_t width, int64_t height, int64_t side)
    : side_(static_cast<size_t>(side)),
      columns_(make_axis(width, side)),
      rows_(make_axis(height, side)),
      row_(3 * side_),
      sum_(3 * side_ * side_, 0.5F) {}

void RowResizer::Axis::add(int64_t source, float weight) {
  if (begin.back() == weights.size()) first.push_back(source);
  weights.push_back(weight);
}

RowResizer::Axis RowResizer::make_axis(int64_t length, int64_t side) {
  Axis axis;
  axis.begin.push_back(0);
  for (int64_t i = 0; i < side; ++i) {
    if (length >= side) {
      // In units of 1 / side of a source pixel, result i covers [begin, end).
      int64_t begin = i * length, end = begin + length;
      for (int64_t k = begin / side; k * side < end; ++k) {
        int64_t covered = std::min((k + 1) * side, end) - std::max(k * side, begin);
        axis.add(k, static_cast<float>(covered) / static_cast<float>(length));
      }
    } else {
      double center =
          (static_cast<double>(i) + 0.5) * static_cast<double>(length) / static_cast<double>(side) -
          0.5;
      center = std::clamp(center, 0.0, static_cast<double>(length - 1));
      auto below = static_cast<int64_t>(center);
      double share = center - static_cast<double>(below);
      axis.add(below, static_cast<float>(1 - share));
      if (share > 0) axis.add(below + 1, static_cast<float>(share));
    }
    axis.begin.push_back(axis.weights.size());
  }
  return axis;
}

void RowResizer::squeeze_row(const uint8_t* rgb) {
  for (size_t i = 0; i < side_; ++i) {
    const uint8_t* pixel = rgb + 3 * columns_.first[i];
    float red = 0, green = 0, blue = 0;
    for (size_t k = columns_.begin[i]; k < columns_.begin[i + 1]; ++k, pixel += 3) {
      float weight = columns_.weights[k];
      red += weight * static_cast<float>(pixel[0]);
      green += weight * static_cast<float>(pixel[1]);
      blue += weight * static_cast<float>(pixel[2]);
    }
    row_[3 * i] = red, row_[3 * i + 1] = green, row_[3 * i + 2] = blue;
  }
}

void RowResizer::add(const uint8_t* rgb) {
  squeeze_row(rgb);
  int64_t source = num_rows_++;
  for (size_t i = next_; i < side_ && rows_.first[i] <= source; ++i) {
    size_t k = rows_.begin[i] + static_cast<size_t>(source - rows_.first[i]);
    float weight = rows_.weights[k];
    float* sum = &sum_[3 * side_ * i];
    for (size_t j = 0; j < row_.size(); ++j) sum[j] += weight * row_[j];
    if (k + 1 == rows_.begin[i + 1]) next_ = i + 1;
  }
}

void RowResizer::finish(std::span<uint8_t> rgb) const {
  for (size_t i = 0; i < sum_.size(); ++i) rgb[i] = static_cast<uint8_t>(sum_[i]);
}

}  // namespace lemur
