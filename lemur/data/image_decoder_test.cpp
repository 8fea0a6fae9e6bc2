#include "lemur/data/image_decoder.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "lemur/base/testing.h"
#include "lemur/data/image_testing.h"

namespace lemur {
namespace {

constexpr double kMaxMegapixels = 25;

struct Decoded {
  DecodeResult result;
  Bytes rgb;

  std::string status() const { return name_of(result.status); }
};

Decoded decode(std::span<const uint8_t> bytes, int64_t side = 16,
               double max_megapixels = kMaxMegapixels) {
  Decoded decoded;
  decoded.rgb.resize(static_cast<size_t>(3 * side * side));
  decoded.result = decode_image(bytes, side, max_megapixels, decoded.rgb);
  EXPECT_EQ(decoded.result.message.empty(), decoded.result.status == ImageStatus::kOk);
  return decoded;
}

/// Decodes what must be good.
Bytes pixels_of(std::span<const uint8_t> bytes, int64_t side = 16) {
  Decoded decoded = decode(bytes, side);
  EXPECT_EQ(decoded.status(), "ok") << decoded.result.message;
  return decoded.rgb;
}

/// Returns the largest difference between two images.
int distance(const Bytes& a, const Bytes& b) {
  EXPECT_EQ(a.size(), b.size());
  int most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

/// One file of each kind that must be decoded.
std::vector<Bytes> good_files() {
  TestImage image = busy_image(70, 50), with_alpha = busy_image(70, 50, 4);
  return {encode_jpeg(image),
          encode_jpeg(image, {.is_progressive = true}),
          encode_png(image),
          encode_png(with_alpha, {.is_interlaced = true}),
          encode_webp(image, 80),
          encode_webp(image),
          encode_webp(with_alpha),
          encode_webp(with_alpha, 80),
          encode_animation(70, 50, {image, image}, 0, 0)};
}

TEST(ImageDecoder, DecodesEveryFormatToTheSameSquare) {
  TestImage image = four_colors(96, 128);
  Bytes expected = four_colors(16, 16).pixels;
  EXPECT_EQ(pixels_of(encode_png(image)), expected);
  EXPECT_EQ(pixels_of(encode_webp(image)), expected);
  // Lossy coding blurs the borders between the colors, not their middles.
  for (const Bytes& file : {encode_jpeg(image), encode_webp(image, 90)}) {
    Bytes rgb = pixels_of(file);
    for (size_t at : {4, 12, 16 * 12 + 4, 16 * 12 + 12})
      for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(rgb[3 * at + c], expected[3 * at + c], 8);
  }
}

TEST(ImageDecoder, TellsTheFormatByTheFirstBytes) {
  TestImage image = four_colors(20, 20);
  auto format = [](const Bytes& bytes) {
    return std::string(name_of(decode(bytes).result.format));
  };
  EXPECT_EQ(format(encode_jpeg(image)), "jpeg");
  EXPECT_EQ(format(encode_png(image)), "png");
  EXPECT_EQ(format(encode_webp(image)), "webp");
  EXPECT_EQ(format({'G', 'I', 'F', '8', '9', 'a'}), "unknown");
}

TEST(ImageDecoder, ScalesLargeJpegsAsItDoesTheirPixels) {
  for (size_t size : {64, 65, 100, 300, 450, 511, 512, 600}) {
    TestImage image = busy_image(size, size + 150);
    Bytes whole = pixels_of(encode_png(image), 64);
    EXPECT_LE(distance(pixels_of(encode_jpeg(image, {.quality = 97}), 64), whole), 16) << size;
  }
}

TEST(ImageDecoder, EnlargesSmallImages) {
  TestImage image = busy_image(5, 3);
  EXPECT_EQ(pixels_of(encode_webp(image), 64), pixels_of(encode_png(image), 64));
  pixels_of(encode_jpeg(image), 512);
  Bytes dot = pixels_of(encode_png(draw_image(1, 1, 3, [](auto, auto, auto c) { return c; })), 33);
  for (size_t i = 0; i < dot.size(); ++i) EXPECT_EQ(dot[i], i % 3);
}

TEST(ImageDecoder, DecodesProgressiveJpegsAlike) {
  TestImage image = busy_image(200, 100);
  EXPECT_EQ(pixels_of(encode_jpeg(image, {.is_progressive = true})), pixels_of(encode_jpeg(image)));
}

TEST(ImageDecoder, TurnsJpegsUpright) {
  TestImage image = four_colors(160, 64);
  auto corner = [](const Bytes& rgb, size_t y, size_t x) {
    const uint8_t* pixel = &rgb[3 * (16 * y + x)];
    return pixel[0] > 128 ? (pixel[1] > 128 ? 'w' : 'r') : (pixel[1] > 128 ? 'g' : 'b');
  };
  constexpr const char* kUpright[] = {"rgbw", "grwb", "wbgr", "bwrg",
                                      "rbgw", "brwg", "wgbr", "gwrb"};
  for (bool big_endian : {false, true})
    for (int orientation = 1; orientation <= 8; ++orientation) {
      Bytes exif = exif_segment(orientation, big_endian);
      Bytes rgb = pixels_of(encode_jpeg(image, {.app1 = exif}));
      std::string corners = {corner(rgb, 2, 2), corner(rgb, 2, 13), corner(rgb, 13, 2),
                             corner(rgb, 13, 13)};
      EXPECT_EQ(corners, kUpright[orientation - 1]) << orientation;
    }
}

TEST(ImageDecoder, DecodesGreyJpegs) {
  auto grey = draw_image(64, 64, 1, [](size_t x, size_t y, size_t) { return x + 2 * y; });
  auto rgb = draw_image(64, 64, 3, [](size_t x, size_t y, size_t) { return x + 2 * y; });
  EXPECT_LE(distance(pixels_of(encode_jpeg(grey)), pixels_of(encode_png(rgb))), 6);
}

TEST(ImageDecoder, DecodesCmykJpegsPlainAndInverted) {
  // A light orange with some black, as inks.
  constexpr int kInks[4] = {20, 100, 200, 55};
  constexpr int kRgb[3] = {(235 * 200) / 255, (155 * 200) / 255, (55 * 200) / 255};
  auto inks = draw_image(40, 40, 4, [&](auto, auto, size_t c) { return kInks[c]; });
  auto inverted = draw_image(40, 40, 4, [&](auto, auto, size_t c) { return 255 - kInks[c]; });
  auto expected = draw_image(16, 16, 3, [&](auto, auto, size_t c) { return kRgb[c]; }).pixels;
  EXPECT_LE(distance(pixels_of(encode_jpeg(inks, {.has_adobe_marker = false})), expected), 4);
  EXPECT_LE(distance(pixels_of(encode_jpeg(inverted)), expected), 4);
  EXPECT_LE(distance(pixels_of(encode_jpeg(inverted, {.is_ycck = true})), expected), 4);
}

TEST(ImageDecoder, DecodesPngsOfEveryDepth) {
  for (int depth : {1, 2, 4, 8, 16}) {
    int levels = depth >= 8 ? 256 : 1 << depth;
    auto samples = draw_image(33, 31, 1, [&](size_t x, size_t y, size_t) {
      return (x + 3 * y) % static_cast<size_t>(levels);
    });
    auto expected = draw_image(33, 31, 3, [&](size_t x, size_t y, size_t) {
      return *samples.at(x, y) * 255 / (levels - 1);
    });
    Bytes whole = pixels_of(encode_png(expected));
    for (bool interlaced : {false, true})
      EXPECT_EQ(pixels_of(encode_png(samples, {.bit_depth = depth, .is_interlaced = interlaced})),
                whole)
          << depth;
  }
  TestImage image = busy_image(31, 33);
  Bytes expected = pixels_of(encode_png(image));
  EXPECT_EQ(pixels_of(encode_png(image, {.bit_depth = 16})), expected);
  EXPECT_EQ(pixels_of(encode_png(image, {.bit_depth = 16, .is_interlaced = true})), expected);
}

/// Returns an image of four channels over white, by the definition.
TestImage over_white(TestImage image) {
  return draw_image(image.width, image.height, 3, [&](size_t x, size_t y, size_t c) {
    int color = image.at(x, y)[c], alpha = image.at(x, y)[3];
    return (color * alpha + 255 * (255 - alpha) + 127) / 255;
  });
}

TEST(ImageDecoder, PutsTransparencyOnWhite) {
  auto image = draw_image(
      33, 40, 4, [](size_t x, size_t y, size_t c) { return c == 3 ? 7 * x : 5 * y + 20 * c; });
  Bytes expected = pixels_of(encode_png(over_white(image)));
  EXPECT_EQ(pixels_of(encode_png(image)), expected);
  EXPECT_EQ(pixels_of(encode_png(image, {.is_interlaced = true})), expected);
  EXPECT_EQ(pixels_of(encode_png(image, {.bit_depth = 16})), expected);
  EXPECT_LE(distance(pixels_of(encode_webp(image, 95)), expected), 24);
  auto grey =
      draw_image(33, 40, 2, [](size_t x, size_t y, size_t c) { return c == 1 ? 7 * x : 5 * y; });
  auto same =
      draw_image(33, 40, 4, [&](size_t x, size_t y, size_t c) { return grey.at(x, y)[c == 3]; });
  EXPECT_EQ(pixels_of(encode_png(grey)), pixels_of(encode_png(over_white(same))));
}

TEST(ImageDecoder, DecodesPalettesAndTransparentColors) {
  PngStyle style;
  style.palette = {{255, 0, 0, 255}, {0, 255, 0, 100}, {9, 9, 9, 0}};
  for (int depth : {2, 4, 8}) {
    style.bit_depth = depth;
    auto samples =
        draw_image(20, 30, 1, [](size_t x, size_t y, size_t) { return (x / 3 + y / 5) % 3; });
    auto colors = draw_image(20, 30, 4, [&](size_t x, size_t y, size_t c) {
      return style.palette[*samples.at(x, y)][c];
    });
    EXPECT_EQ(pixels_of(encode_png(samples, style)), pixels_of(encode_png(over_white(colors))));
  }
  auto samples = draw_image(20, 30, 1, [](size_t x, size_t, size_t) { return x; });
  auto expected = draw_image(20, 30, 3, [](size_t x, size_t, size_t) { return x == 7 ? 255 : x; });
  EXPECT_EQ(pixels_of(encode_png(samples, {.transparent_gray = 7})),
            pixels_of(encode_png(expected)));
}

TEST(ImageDecoder, ShowsTheFirstFrameOfAnAnimation) {
  TestImage red = draw_image(10, 8, 3, [](auto, auto, size_t c) { return c == 0 ? 255 : 0; });
  TestImage blue = draw_image(10, 8, 3, [](auto, auto, size_t c) { return c == 2 ? 255 : 0; });
  auto expected = draw_image(20, 16, 3, [](size_t x, size_t y, size_t c) {
    bool in_frame = x >= 4 && x < 14 && y >= 6 && y < 14;
    return in_frame && c != 0 ? 0 : 255;
  });
  EXPECT_EQ(pixels_of(encode_animation(20, 16, {red, blue}, 4, 6)),
            pixels_of(encode_png(expected)));
  EXPECT_EQ(decode(encode_animation(20, 16, {red}, 12, 6)).status(), "broken");  // beyond it
}

TEST(ImageDecoder, RefusesImagesOfTooManyPixelsByTheirHeader) {
  for (const Bytes& file : images_that_say(60000, 60000)) {
    Decoded decoded = decode(file);
    EXPECT_EQ(decoded.status(), "too_large");
    EXPECT_EQ(decoded.result.message,
              "60000 x 60000 pixels by its header; at most 25 million are allowed");
  }
  for (const Bytes& file : good_files()) {
    EXPECT_EQ(decode(file, 16, 0.0035).status(), "ok");
    EXPECT_EQ(decode(file, 16, 0.00349).status(), "too_large");
  }
}

TEST(ImageDecoder, RefusesImagesWithoutPixels) {
  for (auto [width, height] : {std::pair(0, 0), {0, 9}, {9, 0}}) {
    auto files = images_that_say(static_cast<size_t>(width), static_cast<size_t>(height));
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(decode(files[i]).status(), "broken");
  }
}

TEST(ImageDecoder, RefusesFilesOfTooManyBytes) {
  Bytes file = encode_jpeg(four_colors(8, 8));
  file.resize(kMaxImageBytes);
  EXPECT_EQ(decode(file).status(), "ok");
  file.resize(kMaxImageBytes + 1);
  EXPECT_EQ(decode(file).status(), "too_large");
}

TEST(ImageDecoder, RefusesJpegsOfTooManyScans) {
  std::vector<jpeg_scan_info> scans = {{3, {0, 1, 2}, 0, 0, 0, 0}};
  for (int coefficient = 1; coefficient < 64; ++coefficient)
    for (int component = 0; component < 3; ++component)
      scans.push_back({1, {component}, coefficient, coefficient, 0, 0});
  TestImage image = busy_image(64, 64);
  Decoded decoded = decode(encode_jpeg(image, {.scans = scans}));
  EXPECT_EQ(decoded.status(), "broken");
  EXPECT_EQ(decoded.result.message, "more than 100 scans");
  // Few coefficients a scan make 31 scans, which are allowed.
  std::vector<jpeg_scan_info> fewer = {{3, {0, 1, 2}, 0, 0, 0, 0}};
  for (int first = 1; first < 64; first += 7)
    for (int component = 0; component < 3; ++component)
      fewer.push_back({1, {component}, first, std::min(first + 6, 63), 0, 0});
  EXPECT_EQ(pixels_of(encode_jpeg(image, {.scans = fewer})), pixels_of(encode_jpeg(image)));
}

TEST(ImageDecoder, NamesEveryTruncatedFileBroken) {
  for (const Bytes& file : good_files())
    for (size_t size = 1; size < file.size();
         size += size < 64 || size + 64 > file.size() ? 1 : 7) {
      Decoded decoded = decode(std::span(file).first(size));
      // A file of less than its format's first bytes is of no format.
      EXPECT_EQ(decoded.status(), size < 12 && decoded.result.format == ImageFormat::kUnknown
                                      ? "unsupported"
                                      : "broken")
          << size << " of " << file.size();
    }
}

TEST(ImageDecoder, SurvivesDamagedFilesInSilence) {
  std::mt19937 random(1);
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  for (const Bytes& file : good_files())
    for (int i = 0; i < 200; ++i) {
      Bytes damaged = file;
      for (int flips = 0; flips < 1 + i % 5; ++flips)
        damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1 + random() % 255);
      decode(damaged, 16, 1);
    }
  EXPECT_EQ(testing::internal::GetCapturedStderr() + testing::internal::GetCapturedStdout(), "");
}

TEST(ImageDecoder, NamesWhatIsNoImage) {
  EXPECT_EQ(decode({}).status(), "broken");
  Bytes text = {'<', 's', 'v', 'g', '>'};
  EXPECT_EQ(decode(text).result.message,
            "no JPEG, PNG or WebP: begins with the bytes 3c 73 76 67 3e");
  EXPECT_EQ(decode(text).status(), "unsupported");
  EXPECT_EQ(decode(Bytes(1000, 0)).status(), "unsupported");
  for (Bytes begin : {Bytes{0xff, 0xd8, 0xff}, Bytes{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'},
                      Bytes{'R', 'I', 'F', 'F', 90, 1, 0, 0, 'W', 'E', 'B', 'P'}}) {
    EXPECT_EQ(decode(begin).status(), "broken");
    begin.resize(1000);
    EXPECT_EQ(decode(begin).status(), "broken");
  }
}

TEST(ImageDecoder, TakesNoOtherChunkForAHeader) {
  Bytes file = encode_png(four_colors(8, 8));
  // In front of the header another of the same form, which libpng skips: its name is of no use.
  constexpr int kSignature = 8, kHeader = 25, kName = 4, kWidthEnd = 11;
  Bytes other(file.begin() + kSignature, file.begin() + kSignature + kHeader);
  other[kName] = 'i';
  other[kWidthEnd] = 20;
  file.insert(file.begin() + kSignature, other.begin(), other.end());
  EXPECT_EQ(decode(file).status(), "broken");
  EXPECT_EQ(decode(file).result.message, "it does not begin with a header");
}

TEST(ImageDecoder, ChecksTheSquareThatItIsGiven) {
  Bytes file = encode_png(four_colors(8, 8)), rgb(48);
  expect_error<InvalidArgument>([&] { decode_image(file, 5, 25, rgb); },
                                "[image] 48 bytes for a square of side 5");
  expect_error<InvalidArgument>([&] { decode_image(file, 0, 25, {}); }, "a square of side 0");
}

}  // namespace
}  // namespace lemur
