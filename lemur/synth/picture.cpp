#include "lemur/synth/picture.h"

#include <algorithm>
#include <cmath>

namespace lemur {
namespace {

uint8_t to_byte(float value) {
  return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
}

void paint(uint8_t* pixel, const Colour& colour, float cover) {
  auto mixed = [&](uint8_t old, float fresh) {
    float before = old;
    return to_byte(before + cover * (fresh - before));
  };
  pixel[0] = mixed(pixel[0], colour.red);
  pixel[1] = mixed(pixel[1], colour.green);
  pixel[2] = mixed(pixel[2], colour.blue);
}

/// Returns how far a point lies outside a shape that fills the unit circle about 0; below 0:
/// inside.
float distance_outside(Shape shape, float x, float y) {
  float radius = std::sqrt(x * x + y * y), width = std::abs(x), height = std::abs(y);
  switch (shape) {
    case Shape::kDisc:
      return radius - 1;
    case Shape::kRing:
      return std::abs(radius - 0.7f) - 0.3f;
    case Shape::kTriangle:
      return std::max(y, 0.866f * width - 0.5f * y) - 0.5f;
    case Shape::kSquare:
      return std::max(width, height) - 0.7f;
    case Shape::kCross:
      return std::max(std::min(width, height) - 0.33f, std::max(width, height) - 0.94f);
    case Shape::kCrescent:
      return std::max(radius - 1, 0.75f - std::sqrt((x - 0.45f) * (x - 0.45f) + y * y));
    case Shape::kBars:
      return std::max(width - 0.67f, std::abs(height - 0.44f) - 0.28f);
    case Shape::kDome:
      return std::max(radius - 1, y - 0.25f);
  }
  return 1;
}

/// Says whether a point of the unit circle has the second colour.
bool is_trim(Texture texture, float x, float y, float outside) {
  // Cells of the pattern, counted from a corner outside the circle.
  float column = (x + 2) / 0.4f, row = (y + 2) / 0.4f;
  auto i = static_cast<int>(column), j = static_cast<int>(row);
  switch (texture) {
    case Texture::kRimmed:
      return outside > -0.16f;
    case Texture::kStriped:
      return j % 2 == 1;
    case Texture::kChecked:
      return (i + j) % 2 == 1;
    case Texture::kDotted: {
      float right = column - static_cast<float>(i) - 0.5f,
            down = row - static_cast<float>(j) - 0.5f;
      return right * right + down * down < 0.11f;
    }
  }
  return false;
}

}  // namespace

Colour blend(const Colour& from, const Colour& to, float part) {
  return {from.red + part * (to.red - from.red), from.green + part * (to.green - from.green),
          from.blue + part * (to.blue - from.blue)};
}

Turn random_turn(Random& random) {
  // The rational points of the circle: cosine and sine differ between standard libraries.
  auto slope = static_cast<float>(2 * random.uniform() - 1);
  float sign = random.chance(0.5) ? 1.0f : -1.0f, length = 1 + slope * slope;
  return {sign * (1 - slope * slope) / length, sign * 2 * slope / length};
}

Picture::Picture(int64_t width, int64_t height)
    : width_(width), height_(height), pixels_(static_cast<size_t>(3 * width * height)) {}

void Picture::fill(const Colour& from, const Colour& to, const Turn& along) {
  auto width = static_cast<float>(width_), height = static_cast<float>(height_);
  float length = std::abs(along.cosine) * width + std::abs(along.sine) * height;
  for (int64_t y = 0; y < height_; ++y)
    for (int64_t x = 0; x < width_; ++x) {
      float right = static_cast<float>(x) - width / 2, down = static_cast<float>(y) - height / 2;
      float part = 0.5f + (right * along.cosine + down * along.sine) / length;
      paint(pixel(x, y), blend(from, to, part), 1);
    }
}

void Picture::draw(const Figure& figure) {
  auto begin = [&](float centre, int64_t end) {
    return std::clamp(static_cast<int64_t>(centre - figure.radius - 1), int64_t{0}, end);
  };
  auto end = [&](float centre, int64_t end) {
    return std::clamp(static_cast<int64_t>(centre + figure.radius + 2), int64_t{0}, end);
  };
  for (int64_t y = begin(figure.y, height_); y < end(figure.y, height_); ++y)
    for (int64_t x = begin(figure.x, width_); x < end(figure.x, width_); ++x) {
      float right = (static_cast<float>(x) - figure.x) / figure.radius;
      float down = (static_cast<float>(y) - figure.y) / figure.radius;
      float across = right * figure.turn.cosine + down * figure.turn.sine;
      float along = down * figure.turn.cosine - right * figure.turn.sine;
      float outside = distance_outside(figure.shape, across, along);
      float cover = std::min(0.5f - outside * figure.radius, 1.0f);
      if (cover <= 0) continue;
      bool trim = is_trim(figure.texture, across, along, outside);
      paint(pixel(x, y), trim ? figure.trim : figure.body, cover);
    }
}

void Picture::add_noise(float amplitude, Random& random) {
  constexpr size_t kBytes = sizeof(uint64_t);  // of random bits, one for each channel
  uint64_t bits = 0;
  for (size_t i = 0; i < pixels_.size(); ++i, bits >>= 8) {
    if (i % kBytes == 0) bits = random.bits();
    float part = static_cast<float>(bits & 255) / 127.5f - 1;
    pixels_[i] = to_byte(static_cast<float>(pixels_[i]) + amplitude * part);
  }
}

}  // namespace lemur
