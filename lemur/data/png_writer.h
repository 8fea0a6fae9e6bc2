// Pixels as PNG.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lemur {

/// Returns a PNG of `rgb`: uint8 [side, side, 3], rows from the top. Throws InvalidArgument for
/// another number of bytes or no pixels.
std::vector<uint8_t> png_of(std::span<const uint8_t> rgb, int64_t side);

}  // namespace lemur
