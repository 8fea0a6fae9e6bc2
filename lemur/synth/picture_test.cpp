#include "lemur/synth/picture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
// libjpeg's header needs FILE.
#include <jpeglib.h>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

constexpr Colour kBlack{0, 0, 0}, kRed{255, 0, 0}, kBlue{0, 0, 255};

std::vector<uint8_t> decoded(const std::string& bytes, int64_t width, int64_t height) {
  jpeg_decompress_struct codec{};
  jpeg_error_mgr errors{};
  codec.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&codec);
  jpeg_mem_src(&codec, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&codec, TRUE);
  jpeg_start_decompress(&codec);
  EXPECT_EQ(codec.output_width, width);
  EXPECT_EQ(codec.output_height, height);
  std::vector<uint8_t> pixels(size_t{3} * codec.output_width * codec.output_height);
  while (codec.output_scanline < codec.output_height) {
    JSAMPLE* row = &pixels[size_t{3} * codec.output_width * codec.output_scanline];
    jpeg_read_scanlines(&codec, &row, 1);
  }
  jpeg_finish_decompress(&codec);
  jpeg_destroy_decompress(&codec);
  return pixels;
}

Figure figure(Shape shape, Texture texture, float centre, float radius) {
  return {.shape = shape,
          .texture = texture,
          .body = kRed,
          .trim = kBlue,
          .x = centre,
          .y = centre,
          .radius = radius,
          .turn = {0.8f, 0.6f}};
}

TEST(RandomTurn, HasLengthOneInAllFourQuarters) {
  Random random(1, 1);
  std::array<int, 4> quarters{};
  for (int i = 0; i < 1000; ++i) {
    Turn turn = random_turn(random);
    EXPECT_NEAR(turn.cosine * turn.cosine + turn.sine * turn.sine, 1, 1e-5);
    ++quarters[(turn.cosine > 0 ? 0u : 1u) + (turn.sine > 0 ? 0u : 2u)];
  }
  for (int count : quarters) EXPECT_NEAR(count, 250, 60);
}

TEST(Picture, IsFilledFromOneColourToTheOther) {
  for (int64_t side : {1, 31, 32, 33}) {
    Picture picture(side, side);
    picture.fill(kBlack, kRed, {1, 0});
    for (int64_t x = 0; x < side; ++x) {
      auto last_row = static_cast<size_t>(3 * ((side - 1) * side + x));
      EXPECT_NEAR(picture.pixels()[last_row], 255.0 * static_cast<double>(x) / side, 1);
      EXPECT_EQ(picture.pixels()[last_row + 1], 0);
    }
  }
}

TEST(Picture, ShowsAFigureInBothColoursAndOnlyInsideItsCircle) {
  for (size_t shape = 0; shape < kShapes; ++shape)
    for (size_t texture = 0; texture < kTextures; ++texture) {
      Picture picture(100, 100);
      picture.draw(figure(static_cast<Shape>(shape), static_cast<Texture>(texture), 50, 40));
      double body = 0, trim = 0;
      for (int64_t i = 0; i < 100 * 100; ++i) {
        auto at = static_cast<size_t>(3 * i);
        body += picture.pixels()[at], trim += picture.pixels()[at + 2];
        if (std::hypot(i % 100 - 50.0, static_cast<double>(i / 100) - 50) > 42) {
          EXPECT_EQ(picture.pixels()[at] + picture.pixels()[at + 2], 0);
        }
      }
      double circle = 255 * std::numbers::pi * 40 * 40;
      EXPECT_GT(body, 0.15 * circle) << shape << ' ' << texture;
      EXPECT_GT(trim, 0.1 * circle) << shape << ' ' << texture;
      EXPECT_GT(body + trim, 0.4 * circle) << shape << ' ' << texture;
    }
}

TEST(Picture, CutsOffWhatLiesOutside) {
  for (int64_t side : {1, 31, 32, 33})
    for (float centre : {-500.0f, -3.0f, 0.0f, 33.0f, 500.0f}) {
      Picture picture(side, side);
      picture.draw(figure(Shape::kDisc, Texture::kStriped, centre, 20));
      int sum = std::accumulate(picture.pixels().begin(), picture.pixels().end(), 0);
      EXPECT_EQ(sum > 0, std::abs(centre) < 100 && (side > 1 || centre < 33)) << side << centre;
    }
}

TEST(Picture, KeepsItsMeanUnderNoise) {
  Picture picture(99, 101);
  Colour grey{100, 100, 100};
  picture.fill(grey, grey, {1, 0});
  Random random(1, 1);
  picture.add_noise(10, random);
  double sum = 0, squares = 0;
  for (uint8_t value : picture.pixels()) {
    EXPECT_NEAR(value, 100, 10);
    sum += value, squares += (value - 100) * (value - 100);
  }
  auto count = static_cast<double>(picture.pixels().size());
  EXPECT_NEAR(sum / count, 100, 0.2);
  EXPECT_NEAR(squares / count, 100.0 / 3, 1.5);
}

TEST(Jpeg, LooksLikeThePicture) {
  for (auto [width, height] : {std::pair{1, 1}, {31, 33}, {32, 31}, {33, 32}, {96, 128}}) {
    Picture picture(width, height);
    picture.fill(kRed, kBlue, {0.6f, 0.8f});
    std::vector<uint8_t> seen = decoded(to_jpeg(picture, 85), width, height);
    ASSERT_EQ(seen.size(), picture.pixels().size());
    double difference = 0;
    for (size_t i = 0; i < seen.size(); ++i) difference += std::abs(seen[i] - picture.pixels()[i]);
    EXPECT_LT(difference / static_cast<double>(seen.size()), 4) << width;
  }
}

TEST(Jpeg, IsRefusedForAPictureTooLarge) {
  std::string message = message_of<InternalError>([] { to_jpeg(Picture(65501, 1), 85); });
  EXPECT_NE(message.find("[covers] a picture of 65501 x 1 pixels makes no JPEG: "),
            std::string::npos);
  EXPECT_NE(message.find("65500"), std::string::npos) << message;
}

}  // namespace
}  // namespace lemur
