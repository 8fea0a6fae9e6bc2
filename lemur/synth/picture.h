// Small RGB pictures made of simple figures, and their JPEG. Only IEEE operations and square roots:
// the same pixels on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lemur/synth/random.h"

namespace lemur {

/// Red, green and blue, 0 (dark) to 255.
struct Colour {
  float red, green, blue;
  bool operator==(const Colour&) const = default;
};

/// Returns the colour between two, `from` at 0 and `to` at 1.
Colour blend(const Colour& from, const Colour& to, float part);

/// Cosine and sine of an angle.
struct Turn {
  float cosine, sine;
};

/// Draws any direction, not quite uniformly.
Turn random_turn(Random& random);

enum class Shape : uint8_t { kDisc, kRing, kTriangle, kSquare, kCross, kCrescent, kBars, kDome };
inline constexpr size_t kShapes = 8;

/// Where a figure has its second colour: along its edge, or in a pattern all over it.
enum class Texture : uint8_t { kRimmed, kStriped, kChecked, kDotted };
inline constexpr size_t kTextures = 4;

struct Figure {
  Shape shape;
  Texture texture;
  Colour body, trim;  ///< first and second colour
  float x, y;         ///< centre in pixels from the left and the top
  float radius;       ///< of the circle about it, pixels
  Turn turn;
};

class Picture {
 public:
  /// Makes a black picture. Requires: width and height are positive.
  Picture(int64_t width, int64_t height);

  /// Fills the picture with a gradient along a direction.
  void fill(const Colour& from, const Colour& to, const Turn& along);
  /// Draws a figure, of which parts may lie outside, with edges one pixel soft.
  void draw(const Figure& figure);
  /// Adds a number from -amplitude to amplitude to every channel of every pixel.
  void add_noise(float amplitude, Random& random);

  int64_t width() const { return width_; }
  int64_t height() const { return height_; }
  /// Returns red, green and blue of the pixels, row by row from the top.
  std::span<const uint8_t> pixels() const { return pixels_; }

 private:
  uint8_t* pixel(int64_t x, int64_t y) {
    return &pixels_[static_cast<size_t>(3 * (y * width_ + x))];
  }

  int64_t width_, height_;
  std::vector<uint8_t> pixels_;
};

/// Returns the picture as a JPEG file of a quality from 1 to 100.
std::string to_jpeg(const Picture& picture, int quality);

}  // namespace lemur
