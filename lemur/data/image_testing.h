// For tests, benches and fuzzing: writes JPEG, PNG and WebP in memory with the libraries' own
// encoders.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>  // which jpeglib.h needs and does not include
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include <jpeglib.h>

#include <png.h>
#include <webp/encode.h>

namespace lemur {

using Bytes = std::vector<uint8_t>;

/// An image of 8 bits a channel, [height, width, channels], rows from the top.
struct TestImage {
  size_t width = 0, height = 0, channels = 3;
  Bytes pixels = Bytes(width * height * channels);

  uint8_t* at(size_t x, size_t y) { return &pixels[(y * width + x) * channels]; }
};

/// Returns an image with value(x, y, channel) everywhere.
template <typename Value>
TestImage draw_image(size_t width, size_t height, size_t channels, const Value& value) {
  TestImage image{width, height, channels};
  for (size_t y = 0; y < height; ++y)
    for (size_t x = 0; x < width; ++x)
      for (size_t c = 0; c < channels; ++c)
        image.at(x, y)[c] = static_cast<uint8_t>(value(x, y, c));
  return image;
}

/// Returns red, green, blue and white quarters: at the top left, top right, bottom left and bottom
/// right.
inline TestImage four_colors(size_t width, size_t height) {
  constexpr int kColors[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
  return draw_image(width, height, 3, [&](size_t x, size_t y, size_t c) {
    return kColors[2 * (y >= height / 2) + (x >= width / 2)][c];
  });
}

/// Returns gradients under some texture, of three or four channels: no two rows or columns agree.
inline TestImage busy_image(size_t width, size_t height, size_t channels = 3) {
  return draw_image(width, height, channels, [&](size_t x, size_t y, size_t c) {
    size_t gradient = (c == 0 ? 200 * x / width : c == 1 ? 200 * y / height : 100 + 50 * c);
    return gradient + (x * 7 + y * 13 + x * y / 9 + 31 * c) % 40;
  });
}

struct JpegStyle {
  int quality = 90;
  bool is_progressive = false;
  bool has_adobe_marker = true;  ///< of four channels: the inks are inverted
  bool is_ycck = false;          ///< of four channels
  std::span<const jpeg_scan_info> scans = {};
  std::span<const uint8_t> app1 = {};  ///< content of an APP1 segment; empty: none
};

/// Encodes an image of 1 (grey), 3 (RGB) or 4 (CMYK) channels.
inline Bytes encode_jpeg(const TestImage& image, const JpegStyle& style = {}) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;  // NOLINT: libjpeg's type
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = static_cast<int>(image.channels);
  info.in_color_space = image.channels == 1   ? JCS_GRAYSCALE
                        : image.channels == 3 ? JCS_RGB
                                              : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (style.is_ycck) jpeg_set_colorspace(&info, JCS_YCCK);
  if (image.channels == 4) info.write_Adobe_marker = style.has_adobe_marker;
  jpeg_set_quality(&info, style.quality, TRUE);
  if (style.is_progressive) jpeg_simple_progression(&info);
  if (!style.scans.empty()) {
    info.scan_info = style.scans.data();
    info.num_scans = static_cast<int>(style.scans.size());
  }
  jpeg_start_compress(&info, TRUE);
  if (!style.app1.empty())
    jpeg_write_marker(&info, JPEG_APP0 + 1, style.app1.data(),
                      static_cast<unsigned>(style.app1.size()));
  for (size_t y = 0; y < image.height; ++y) {
    JSAMPROW row = const_cast<uint8_t*>(&image.pixels[y * image.width * image.channels]);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  Bytes bytes(out, out + size);
  std::free(out);
  return bytes;
}

/// Returns the content of an APP1 segment with nothing but EXIF's orientation.
inline Bytes exif_segment(int orientation, bool big_endian) {
  Bytes bytes;
  for (char c : {'E', 'x', 'i', 'f', '\0', '\0'}) bytes.push_back(static_cast<uint8_t>(c));
  for (int i = 0; i < 2; ++i) bytes.push_back(big_endian ? 'M' : 'I');
  auto number = [&](uint32_t value, int size) {
    for (int i = 0; i < size; ++i)
      bytes.push_back(static_cast<uint8_t>(value >> 8 * (big_endian ? size - 1 - i : i)));
  };
  number(42, 2), number(8, 4);  // the directory is at 8
  number(1, 2);                 // of one entry
  number(0x0112, 2), number(3, 2), number(1, 4);
  number(static_cast<uint32_t>(orientation), 2), number(0, 2);
  number(0, 4);  // no further directory
  return bytes;
}

struct PngStyle {
  int bit_depth = 8;  ///< below 8: `pixels` holds one sample a byte
  bool is_interlaced = false;
  std::vector<std::array<uint8_t, 4>> palette = {};  ///< RGBA; empty: none
  int transparent_gray = -1;                         ///< sample that is transparent; -1: none
};

namespace image_testing {

/// Sets the palette with its alphas, or the grey that is transparent.
inline void set_transparency(png_structp png, png_infop info, const PngStyle& style) {
  std::vector<png_color> colors;
  Bytes alphas;
  for (const auto& color : style.palette) {
    colors.push_back({color[0], color[1], color[2]});
    alphas.push_back(color[3]);
  }
  if (!colors.empty()) {
    png_set_PLTE(png, info, colors.data(), static_cast<int>(colors.size()));
    png_set_tRNS(png, info, alphas.data(), static_cast<int>(alphas.size()), nullptr);
  }
  png_color_16 transparent = {};
  transparent.gray = static_cast<png_uint_16>(style.transparent_gray);
  if (style.transparent_gray >= 0) png_set_tRNS(png, info, nullptr, 0, &transparent);
}

}  // namespace image_testing

/// Encodes an image of 1 (grey or palette), 2 (grey, alpha), 3 or 4 channels.
inline Bytes encode_png(const TestImage& image, const PngStyle& style = {}) {
  constexpr int kTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                            PNG_COLOR_TYPE_RGB_ALPHA};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  Bytes bytes;
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t size) {
        auto* out = static_cast<Bytes*>(png_get_io_ptr(p));
        out->insert(out->end(), data, data + size);
      },
      [](png_structp) {});
  int type = !style.palette.empty() ? PNG_COLOR_TYPE_PALETTE : kTypes[image.channels - 1];
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), style.bit_depth, type,
               style.is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  image_testing::set_transparency(png, info, style);
  png_write_info(png, info);
  if (style.bit_depth < 8) png_set_packing(png);
  Bytes wide;  // of 16 bits: each byte twice
  for (uint8_t value : image.pixels) wide.insert(wide.end(), style.bit_depth == 16 ? 2 : 1, value);
  std::vector<png_bytep> rows;
  for (size_t y = 0; y < image.height; ++y) rows.push_back(&wide[y * (wide.size() / image.height)]);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

/// Encodes an image of 3 or 4 channels; a quality of 100 is lossless.
inline Bytes encode_webp(const TestImage& image, float quality = 100) {
  auto width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  int stride = width * static_cast<int>(image.channels);
  const uint8_t* pixels = image.pixels.data();
  uint8_t* out = nullptr;
  bool has_alpha = image.channels == 4, is_lossless = quality == 100;
  size_t size = has_alpha
                    ? (is_lossless ? WebPEncodeLosslessRGBA(pixels, width, height, stride, &out)
                                   : WebPEncodeRGBA(pixels, width, height, stride, quality, &out))
                    : (is_lossless ? WebPEncodeLosslessRGB(pixels, width, height, stride, &out)
                                   : WebPEncodeRGB(pixels, width, height, stride, quality, &out));
  Bytes bytes(out, out + size);
  WebPFree(out);
  return bytes;
}

namespace image_testing {

inline void append_number(Bytes& bytes, size_t value, int size) {
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
}

/// Appends a chunk of a WebP: name, size, content, padding.
inline void append_chunk(Bytes& bytes, std::string_view name, std::span<const uint8_t> content) {
  bytes.insert(bytes.end(), name.begin(), name.end());
  append_number(bytes, content.size(), 4);
  bytes.insert(bytes.end(), content.begin(), content.end());
  if (content.size() % 2 == 1) bytes.push_back(0);
}

}  // namespace image_testing

/// Encodes an animation on a canvas of that size: every frame lossless, of 3 channels and at
/// (`left`, `top`), which are even.
inline Bytes encode_animation(size_t width, size_t height, const std::vector<TestImage>& frames,
                              size_t left, size_t top) {
  using image_testing::append_chunk, image_testing::append_number;
  constexpr size_t kFileHeader = 12, kAnimationFlag = 2;
  Bytes content = {'W', 'E', 'B', 'P'}, header, part;
  append_number(header, kAnimationFlag, 4);
  append_number(header, width - 1, 3), append_number(header, height - 1, 3);
  append_chunk(content, "VP8X", header);
  append_chunk(content, "ANIM", Bytes(6));
  for (const TestImage& frame : frames) {
    part.clear();
    append_number(part, left / 2, 3), append_number(part, top / 2, 3);
    append_number(part, frame.width - 1, 3), append_number(part, frame.height - 1, 3);
    append_number(part, 100, 3), append_number(part, 0, 1);  // milliseconds, flags
    Bytes still = encode_webp(frame);
    part.insert(part.end(), still.begin() + kFileHeader, still.end());
    append_chunk(content, "ANMF", part);
  }
  Bytes bytes;
  append_chunk(bytes, "RIFF", content);
  return bytes;
}

/// Returns files of each format whose header names `width` x `height` pixels, with next to nothing
/// behind it.
inline std::vector<Bytes> images_that_say(size_t width, size_t height) {
  auto big_endian = [](Bytes& bytes, size_t place, size_t value, size_t size) {
    for (size_t i = 0; i < size; ++i)
      bytes[place + i] = static_cast<uint8_t>(value >> 8 * (size - 1 - i));
  };
  Bytes jpeg = encode_jpeg(four_colors(8, 8)), png = encode_png(four_colors(8, 8));
  constexpr std::array<uint8_t, 2> kStartOfFrame = {0xff, 0xc0};
  auto frame = std::search(jpeg.begin(), jpeg.end(), kStartOfFrame.begin(), kStartOfFrame.end()) -
               jpeg.begin();
  big_endian(jpeg, static_cast<size_t>(frame) + 5, height, 2);
  big_endian(jpeg, static_cast<size_t>(frame) + 7, width, 2);
  big_endian(png, 16, width, 4);
  big_endian(png, 20, height, 4);
  return {jpeg, png, encode_animation(width, height, {four_colors(8, 8)}, 0, 0)};
}

}  // namespace lemur
