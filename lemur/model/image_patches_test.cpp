#include "lemur/model/image_patches.h"

#include <gtest/gtest.h>

#include <set>

namespace lemur {
namespace {

/// A square whose pixel (y, x) is (16 y + x, 100, 255).
std::vector<uint8_t> ramp(int64_t side) {
  std::vector<uint8_t> rgb;
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x)
      for (int64_t value : {16 * y + x, int64_t{100}, int64_t{255}})
        rgb.push_back(static_cast<uint8_t>(value));
  return rgb;
}

std::vector<float> patches(const std::vector<uint8_t>& rgb, int64_t side, int64_t patch,
                           const ImageWindow& window = {}) {
  std::vector<float> values;
  append_patches({rgb, side}, window, patch, values);
  return values;
}

float scaled(int64_t value) { return static_cast<float>(value) / 127.5f - 1; }

TEST(ImagePatches, CutsRowByRow) {
  std::vector<float> values = patches(ramp(4), 4, 2);
  ASSERT_EQ(values.size(), 48u);
  // First numbers of each pixel of patch 1, the upper right one.
  EXPECT_FLOAT_EQ(values[12], scaled(2));
  EXPECT_FLOAT_EQ(values[15], scaled(3));
  EXPECT_FLOAT_EQ(values[18], scaled(18));
  EXPECT_FLOAT_EQ(values[13], scaled(100));
  EXPECT_FLOAT_EQ(values[14], 1);
  EXPECT_FLOAT_EQ(values[24], scaled(32)) << "patch 2 lies below patch 0";
}

TEST(ImagePatches, CutsPatchesIntoPartsRowByRow) {
  std::vector<float> values = patches(ramp(16), 16, 8);
  ASSERT_EQ(values.size(), 3u * 16 * 16);
  auto first_of_pixel = [&](int64_t y, int64_t x) { return scaled((16 * y + x) % 256); };
  constexpr size_t kPart = 48, kPatch = 4 * kPart;
  EXPECT_FLOAT_EQ(values[0], first_of_pixel(0, 0));
  EXPECT_FLOAT_EQ(values[3 * 5], first_of_pixel(1, 1)) << "a part has four columns";
  EXPECT_FLOAT_EQ(values[kPart], first_of_pixel(0, 4));
  EXPECT_FLOAT_EQ(values[2 * kPart + 3], first_of_pixel(4, 1));
  EXPECT_FLOAT_EQ(values[kPatch + 3 * kPart], first_of_pixel(4, 12));
  EXPECT_FLOAT_EQ(values[2 * kPatch], first_of_pixel(8, 0));
  EXPECT_EQ(part_side(6), 6);
}

TEST(ImagePatches, MirrorsAndEnlargesAWindow) {
  std::vector<float> mirrored = patches(ramp(4), 4, 4, {.flip = true});
  EXPECT_FLOAT_EQ(mirrored[0], scaled(3));
  EXPECT_FLOAT_EQ(mirrored[9], scaled(0));
  // The middle half of four columns: centers at 0.75, 1.25, 1.75 and 2.25.
  std::vector<float> window = patches(ramp(4), 4, 4, {.left = 0.25, .top = 0.25, .size = 0.5});
  EXPECT_NEAR(window[0], (0.75 * 17) / 127.5 - 1, 1e-5);
  EXPECT_NEAR(window[3] - window[0], 0.5 / 127.5, 1e-5);
}

TEST(ImagePatches, DrawsWindowsInsideTheImage) {
  std::set<double> lefts;
  int flips = 0;
  for (uint64_t key = 0; key < 200; ++key) {
    ImageWindow window = draw_window(true, 0.3, key);
    EXPECT_GE(window.size, 0.7);
    EXPECT_LE(window.left + window.size, 1 + 1e-12);
    EXPECT_LE(window.top + window.size, 1 + 1e-12);
    lefts.insert(window.left);
    flips += window.flip;
    EXPECT_EQ(draw_window(true, 0.3, key).left, window.left);
  }
  EXPECT_GT(lefts.size(), 190u);
  EXPECT_NEAR(flips, 100, 30);
  EXPECT_EQ(draw_window(false, 0, 7).size, 1);
}

}  // namespace
}  // namespace lemur
