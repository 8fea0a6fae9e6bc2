// Resizes an image to a square while its rows come in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lemur {

/// Takes the rows of an image from the top and keeps no more than the square that they become. Each
/// axis on its own: the mean over the area that a pixel covers where it shrinks, bilinear where it
/// grows.
class RowResizer {
 public:
  /// Requires: all at least 1.
  RowResizer(int64_t width, int64_t height, int64_t side);

  /// Adds the next row, uint8 [width, 3]. Requires: fewer than `height` were added.
  void add(const uint8_t* rgb);

  /// Writes the square, uint8 [side, side, 3]. Requires: all rows were added.
  void finish(std::span<uint8_t> rgb) const;

 private:
  /// Along one axis, result i is the sum over k of weights[k] * source[first[i] + k - begin[i]],
  /// with k from begin[i] up to begin[i + 1].
  struct Axis {
    std::vector<int64_t> first;  // [side], ascending
    std::vector<size_t> begin;   // [side + 1]
    std::vector<float> weights;

    void add(int64_t source, float weight);
  };
  static Axis make_axis(int64_t length, int64_t side);
  void squeeze_row(const uint8_t* rgb);

  size_t side_;
  Axis columns_, rows_;
  std::vector<float> row_;  // [side, 3]: the row at hand, as wide as the square
  std::vector<float> sum_;  // [side, side, 3], and a half, which rounds
  int64_t num_rows_ = 0;    // added so far
  size_t next_ = 0;         // first row of the square that is not complete
};

}  // namespace lemur
