// Which way up an image is to be shown: EXIF's orientation.
#pragma once

#include <cstdint>
#include <span>

namespace lemur {

/// Returns EXIF's orientation of a JPEG, 1 to 8; 1 (upright) where there is none or it is damaged.
int exif_orientation(std::span<const uint8_t> jpeg);

/// Turns the square `rgb` (uint8 [side, side, 3]) that is stored with EXIF's `orientation` upright.
/// Requires: 1 to 8.
void set_upright(std::span<uint8_t> rgb, int64_t side, int orientation);

}  // namespace lemur
