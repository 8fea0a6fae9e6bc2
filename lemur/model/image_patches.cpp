#include "lemur/model/image_patches.h"

#include <algorithm>
#include <cmath>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

/// Where a row or column of the result lies between two of the image.
struct Between {
  int64_t low, high;
  float share;  // of `high`
};

std::vector<Between> sample(int64_t side, double begin, double size, bool reverse) {
  std::vector<Between> places;
  for (int64_t i = 0; i < side; ++i) {
    double center = begin * static_cast<double>(side) + (static_cast<double>(i) + 0.5) * size - 0.5;
    center = std::clamp(center, 0.0, static_cast<double>(side - 1));
    auto low = static_cast<int64_t>(center);
    places.push_back(
        {low, std::min(low + 1, side - 1), static_cast<float>(center - static_cast<double>(low))});
  }
  if (reverse) std::reverse(places.begin(), places.end());
  return places;
}

}  // namespace

int64_t part_side(int64_t patch) {
  constexpr int64_t kPart = 4;
  return patch % kPart == 0 ? kPart : patch;
}

ImageWindow draw_window(bool flip, double crop, uint64_t key) {
  ImageWindow window;
  window.size = 1 - crop * hash_uniform(key, 1, 0);
  window.left = (1 - window.size) * hash_uniform(key, 2, 0);
  window.top = (1 - window.size) * hash_uniform(key, 3, 0);
  window.flip = flip && hash_uniform(key, 4, 0) < 0.5;
  return window;
}

void append_patches(const ImageView& image, const ImageWindow& window, int64_t patch,
                    std::vector<float>& values) {
  const int64_t side = image.side;
  std::vector<Between> rows = sample(side, window.top, window.size, false),
                       columns = sample(side, window.left, window.size, window.flip);
  auto at = [&](int64_t y, int64_t x, int64_t c) {
    return static_cast<float>(image.rgb[static_cast<size_t>((y * side + x) * 3 + c)]);
  };
  auto value = [&](const Between& y, const Between& x, int64_t c) {
    float top = at(y.low, x.low, c) * (1 - x.share) + at(y.low, x.high, c) * x.share;
    float bottom = at(y.high, x.low, c) * (1 - x.share) + at(y.high, x.high, c) * x.share;
    return (top * (1 - y.share) + bottom * y.share) / 127.5f - 1;
  };
  auto append = [&](int64_t top, int64_t left, int64_t size) {
    for (int64_t y = top; y < top + size; ++y)
      for (int64_t x = left; x < left + size; ++x)
        for (int64_t c = 0; c < 3; ++c)
          values.push_back(value(rows[static_cast<size_t>(y)], columns[static_cast<size_t>(x)], c));
  };
  const int64_t part = part_side(patch);
  for (int64_t top = 0; top < side; top += patch)
    for (int64_t left = 0; left < side; left += patch)
      for (int64_t y = top; y < top + patch; y += part)
        for (int64_t x = left; x < left + patch; x += part) append(y, x, part);
}

}  // namespace lemur
