#include "lemur/data/image_decoder.h"

#include <algorithm>
#include <string_view>

#include "lemur/base/error.h"
#include "lemur/data/image_formats.h"

namespace lemur {
namespace {

ImageFormat format_of(std::string_view bytes) {
  if (bytes.starts_with("\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP") && bytes.size() >= 12)
    return ImageFormat::kWebp;
  return ImageFormat::kUnknown;
}

/// Says how bytes of no known format begin.
DecodeResult unknown_format(std::span<const uint8_t> bytes) {
  auto first = bytes.first(std::min<size_t>(bytes.size(), 8));
  return unsupported(
      fmt::format("no JPEG, PNG or WebP: begins with the bytes {:02x}", fmt::join(first, " ")));
}

DecodeResult decode(ImageFormat format, const ImageRequest& request) {
  switch (format) {
    case ImageFormat::kJpeg:
      return decode_jpeg(request);
    case ImageFormat::kPng:
      return decode_png(request);
    case ImageFormat::kWebp:
      return decode_webp(request);
    case ImageFormat::kUnknown:
      break;
  }
  return unknown_format(request.bytes);
}

}  // namespace

const char* name_of(ImageFormat format) {
  constexpr const char* kNames[] = {"unknown", "jpeg", "png", "webp"};
  return kNames[static_cast<size_t>(format)];
}

const char* name_of(ImageStatus status) {
  constexpr const char* kNames[] = {"ok", "broken", "unsupported", "too_large"};
  return kNames[static_cast<size_t>(status)];
}

std::optional<DecodeResult> fault_of_size(const ImageRequest& request, uint64_t width,
                                          uint64_t height) {
  if (width == 0 || height == 0)
    return broken(fmt::format("{} x {} pixels by its header", width, height));
  double megapixels = static_cast<double>(width) * static_cast<double>(height) / 1e6;
  if (megapixels <= request.max_megapixels) return std::nullopt;
  return too_large(fmt::format("{} x {} pixels by its header; at most {} million are allowed",
                               width, height, request.max_megapixels));
}

void flatten(uint8_t* rgba, size_t num_pixels) {
  for (size_t i = 0; i < num_pixels; ++i)
    for (size_t c = 0; c < 3; ++c) rgba[3 * i + c] = over_white(rgba[4 * i + c], rgba[4 * i + 3]);
}

DecodeResult decode_image(std::span<const uint8_t> bytes, int64_t side, double max_megapixels,
                          std::span<uint8_t> rgb) {
  if (side < 1 || rgb.size() != static_cast<size_t>(3 * side * side))
    fail<InvalidArgument>("image", "{} bytes for a square of side {}, expected 3 * side * side",
                          rgb.size(), side);
  if (bytes.empty()) return broken("empty");
  ImageFormat format =
      format_of({reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 16)});
  DecodeResult result =
      bytes.size() > kMaxImageBytes
          ? too_large(fmt::format("{} bytes; at most {} are allowed", bytes.size(), kMaxImageBytes))
          : decode(format, {bytes, side, max_megapixels, rgb});
  result.format = format;
  return result;
}

}  // namespace lemur
