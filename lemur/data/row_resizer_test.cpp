#include "lemur/data/row_resizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lemur/data/image_testing.h"

namespace lemur {
namespace {

/// Returns the weight of source pixel `k` of `length` in pixel `i` of `side`, from the definitions.
double weight(int64_t i, int64_t k, int64_t length, int64_t side) {
  double scale = static_cast<double>(length) / static_cast<double>(side);
  auto index = static_cast<double>(i), source = static_cast<double>(k);
  if (length >= side)
    return std::max(0.0,
                    std::min(source + 1, (index + 1) * scale) - std::max(source, index * scale)) /
           scale;
  double center = std::clamp((index + 0.5) * scale - 0.5, 0.0, static_cast<double>(length - 1));
  return std::max(0.0, 1 - std::abs(center - source));
}

/// Resizes by a double loop over everything.
std::vector<double> plain_resize(TestImage image, int64_t side) {
  std::vector<double> result;
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x)
      for (size_t c = 0; c < 3; ++c) {
        double sum = 0;
        for (size_t sy = 0; sy < image.height; ++sy)
          for (size_t sx = 0; sx < image.width; ++sx)
            sum += image.at(sx, sy)[c] *
                   weight(x, static_cast<int64_t>(sx), static_cast<int64_t>(image.width), side) *
                   weight(y, static_cast<int64_t>(sy), static_cast<int64_t>(image.height), side);
        result.push_back(sum);
      }
  return result;
}

Bytes resize(TestImage image, int64_t side) {
  RowResizer resizer(static_cast<int64_t>(image.width), static_cast<int64_t>(image.height), side);
  for (size_t y = 0; y < image.height; ++y) resizer.add(image.at(0, y));
  Bytes rgb(static_cast<size_t>(3 * side * side));
  resizer.finish(rgb);
  return rgb;
}

TEST(RowResizer, AgreesWithTheDefinitionAtEverySize) {
  for (size_t width : {1, 2, 31, 32, 33, 50})
    for (size_t height : {1, 31, 32, 33, 47})
      for (int64_t side : {1, 7, 32}) {
        TestImage image = busy_image(width, height);
        std::vector<double> expected = plain_resize(image, side);
        Bytes rgb = resize(image, side);
        for (size_t i = 0; i < rgb.size(); ++i)
          ASSERT_NEAR(rgb[i], expected[i], 0.501) << width << " x " << height << " to " << side;
      }
}

TEST(RowResizer, KeepsAnImageOfTheSameSize) {
  TestImage image = busy_image(32, 32);
  EXPECT_EQ(resize(image, 32), image.pixels);
}

TEST(RowResizer, KeepsOneColorExactly) {
  for (int value : {0, 1, 127, 254, 255})
    for (size_t size : {1, 3, 100, 333}) {
      auto image = draw_image(size, size, 3, [&](size_t, size_t, size_t) { return value; });
      EXPECT_EQ(resize(image, 64), Bytes(3 * 64 * 64, static_cast<uint8_t>(value))) << size;
    }
}

}  // namespace
}  // namespace lemur
