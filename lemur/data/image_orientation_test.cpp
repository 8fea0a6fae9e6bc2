#include "lemur/data/image_orientation.h"

#include <gtest/gtest.h>

#include "lemur/data/image_testing.h"

namespace lemur {
namespace {

/// A JPEG's beginning with one segment.
Bytes jpeg_with(uint8_t marker, const Bytes& segment) {
  Bytes jpeg = {0xff, 0xd8, 0xff, marker};
  size_t length = segment.size() + 2;
  jpeg.push_back(static_cast<uint8_t>(length >> 8));
  jpeg.push_back(static_cast<uint8_t>(length));
  for (uint8_t byte : segment) jpeg.push_back(byte);
  return jpeg;
}

TEST(Orientation, IsReadInBothByteOrders) {
  for (bool big_endian : {false, true})
    for (int orientation = 1; orientation <= 8; ++orientation)
      EXPECT_EQ(exif_orientation(jpeg_with(0xe1, exif_segment(orientation, big_endian))),
                orientation);
}

TEST(Orientation, IsFoundBehindOtherSegmentsAndPadding) {
  Bytes jpeg = jpeg_with(0xe0, Bytes(100, 0xff));
  Bytes xmp = jpeg_with(0xe1, {'h', 't', 't', 'p'});
  Bytes exif = jpeg_with(0xe1, exif_segment(6, true));
  jpeg.insert(jpeg.end(), xmp.begin() + 2, xmp.end());
  jpeg.insert(jpeg.end(), 3, 0xff);
  jpeg.insert(jpeg.end(), exif.begin() + 2, exif.end());
  EXPECT_EQ(exif_orientation(jpeg), 6);
}

TEST(Orientation, IsUprightWhereExifIsDamaged) {
  EXPECT_EQ(exif_orientation({}), 1);
  EXPECT_EQ(exif_orientation(jpeg_with(0xe0, exif_segment(6, true))), 1);  // another segment
  for (int orientation : {0, 9, 65535})
    EXPECT_EQ(exif_orientation(jpeg_with(0xe1, exif_segment(orientation, false))), 1);
  Bytes whole = jpeg_with(0xe1, exif_segment(6, false));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(exif_orientation(std::span(whole).first(size)), 1) << size;
  constexpr size_t kDirectoryAt = 6 + 4;
  for (uint8_t place : {0x07, 0x40, 0xff}) {
    Bytes segment = exif_segment(6, false);
    for (size_t i = 0; i < 4; ++i) segment[kDirectoryAt + i] = i == 0 || place == 0xff ? place : 0;
    EXPECT_EQ(exif_orientation(jpeg_with(0xe1, segment)), 1) << place;
  }
}

TEST(Orientation, TurnsAnImageUpright) {
  // Where the corners of the stored image (top left, top right, bottom left, bottom right) stand.
  constexpr const char* kUpright[] = {"abcd", "badc", "dcba", "cdab",
                                      "acbd", "cadb", "dbca", "bdac"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Bytes rgb;
    for (uint8_t corner : {'a', 'b', 'c', 'd'}) rgb.insert(rgb.end(), 3, corner);
    set_upright(rgb, 2, orientation);
    std::string corners;
    for (size_t i = 0; i < 4; ++i) corners += static_cast<char>(rgb[3 * i]);
    EXPECT_EQ(corners, kUpright[orientation - 1]) << orientation;
  }
}

}  // namespace
}  // namespace lemur
