// The decoders of single formats behind image_decoder.h, one file each: the only ones that know the
// libraries.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "lemur/data/image_decoder.h"

namespace lemur {

/// What decode_image is asked for.
struct ImageRequest {
  std::span<const uint8_t> bytes;
  int64_t side;
  double max_megapixels;
  std::span<uint8_t> rgb;  ///< [side, side, 3], written
};

// Each takes bytes of any content and leaves DecodeResult::format unset.
DecodeResult decode_jpeg(const ImageRequest& request);
DecodeResult decode_png(const ImageRequest& request);
DecodeResult decode_webp(const ImageRequest& request);

inline DecodeResult broken(std::string message) {
  return {.status = ImageStatus::kBroken, .message = std::move(message)};
}

inline DecodeResult unsupported(std::string message) {
  return {.status = ImageStatus::kUnsupported, .message = std::move(message)};
}

inline DecodeResult too_large(std::string message) {
  return {.status = ImageStatus::kTooLarge, .message = std::move(message)};
}

/// Returns what is wrong with an image of that size, as its header tells it; nothing where it may
/// be decoded.
std::optional<DecodeResult> fault_of_size(const ImageRequest& request, uint64_t width,
                                          uint64_t height);

/// Returns a colour channel over white; alpha 0 is transparent.
inline uint8_t over_white(uint8_t color, uint8_t alpha) {
  int sum = color * alpha + 255 * (255 - alpha);
  return static_cast<uint8_t>((sum + 127) / 255);
}

/// Turns `num_pixels` of RGBA into RGB over white, in place: the result is the first 3 * num_pixels
/// bytes.
void flatten(uint8_t* rgba, size_t num_pixels);

}  // namespace lemur
