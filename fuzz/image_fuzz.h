// What the fuzz targets of the image decoders share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lemur/data/image_formats.h"

namespace lemur {

/// Decodes `bytes` by one format's decoder, whatever they begin with. The limit is low: large
/// images are slow and find nothing more.
inline void fuzz_image(DecodeResult (*decode)(const ImageRequest&), const uint8_t* data,
                       size_t size) {
  constexpr int64_t kSide = 16;
  constexpr double kMaxMegapixels = 0.1;
  std::vector<uint8_t> rgb(3 * kSide * kSide);
  decode({{data, size}, kSide, kMaxMegapixels, rgb});
}

}  // namespace lemur
