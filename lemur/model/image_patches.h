// Images of the store as patches for the encoder, changed at random where training asks for it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lemur {

/// A square of pixels, 8-bit RGB, row by row.
struct ImageView {
  std::span<const uint8_t> rgb;  ///< [side, side, 3]
  int64_t side = 0;
};

/// Which part of an image is taken, as shares of its side, and whether it is mirrored.
struct ImageWindow {
  double left = 0, top = 0, size = 1;
  bool flip = false;
};

/// Draws a window: a square of side 1 - u * crop at a random place, u uniform; mirrored every other
/// time where `flip`. Equal keys draw equally.
ImageWindow draw_window(bool flip, double crop, uint64_t key);

/// Returns the side of the parts of a patch: 4 pixels where that divides it, else its own.
int64_t part_side(int64_t patch);

/// Appends the patches of the window, resized to the image's own side (bilinear): values -1 to 1,
/// (side / patch)^2 patches row by row, each (patch / part)^2 parts row by row, each
/// [part, part, 3] with part = part_side(patch). Requires: `patch` divides the side.
void append_patches(const ImageView& image, const ImageWindow& window, int64_t patch,
                    std::vector<float>& values);

}  // namespace lemur
