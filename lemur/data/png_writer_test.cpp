#include "lemur/data/png_writer.h"

#include <gtest/gtest.h>

#include "lemur/base/error.h"
#include "lemur/base/testing.h"
#include "lemur/data/image_decoder.h"

namespace lemur {
namespace {

TEST(PngWriter, WritesPixelsThatAreReadBackAsTheyWere) {
  for (int64_t side : {1, 31, 32, 33}) {
    std::vector<uint8_t> pixels(static_cast<size_t>(3 * side * side));
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37 + i / 7);
    std::vector<uint8_t> read(pixels.size());
    const DecodeResult result = decode_image(png_of(pixels, side), side, 1, read);
    EXPECT_EQ(result.status, ImageStatus::kOk) << result.message;
    EXPECT_EQ(read, pixels);
  }
}

TEST(PngWriter, RefusesWhatIsNoSquare) {
  const std::vector<uint8_t> pixels(12);
  expect_error<InvalidArgument>([&] { png_of(pixels, 3); }, "12 bytes are no square of 3 pixels");
  expect_error<InvalidArgument>([&] { png_of({}, 0); }, "no square of 0");
}

}  // namespace
}  // namespace lemur
