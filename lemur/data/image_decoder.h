// JPEG, PNG and WebP to small squares of RGB.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace lemur {

enum class ImageFormat { kUnknown, kJpeg, kPng, kWebp };
enum class ImageStatus { kOk, kBroken, kUnsupported, kTooLarge };

/// Returns "jpeg", "png", "webp" or "unknown".
const char* name_of(ImageFormat format);
/// Returns "ok", "broken", "unsupported" or "too_large".
const char* name_of(ImageStatus status);

/// Images of more bytes are too large, whatever they hold.
inline constexpr uint64_t kMaxImageBytes = uint64_t{64} << 20;

/// What became of an image.
struct DecodeResult {
  ImageStatus status = ImageStatus::kOk;
  ImageFormat format = ImageFormat::kUnknown;  ///< told by the first bytes
  std::string message = {};                    ///< what is wrong; empty where nothing is
};

/// Decodes an image to a square, each side stretched or squeezed on its own: by the mean over the
/// area that a pixel covers, bilinear where the image is smaller. Upright as EXIF says (JPEG),
/// transparency on white, of an animation the first frame; colour profiles are ignored. Writes
/// `rgb` (uint8 [side, side, 3], rows from the top), whose content is arbitrary where the status is
/// not kOk. Data that is damaged, cut short, hostile or of another format is told by the status,
/// not by an exception; of images of more than `max_megapixels` million pixels only the header is
/// read. Any thread. Throws InvalidArgument for a side below 1 or an `rgb` of another size.
DecodeResult decode_image(std::span<const uint8_t> bytes, int64_t side, double max_megapixels,
                          std::span<uint8_t> rgb);

}  // namespace lemur
