#include "lemur/data/image_orientation.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace lemur {
namespace {

/// Numbers at places of a block of bytes; 0 where the block ends before them.
class NumberView {
 public:
  NumberView(std::span<const uint8_t> bytes, bool big_endian)
      : bytes_(bytes), big_endian_(big_endian) {}

  size_t u16(size_t place) const { return number(place, 2); }
  size_t u32(size_t place) const { return number(place, 4); }

 private:
  size_t number(size_t place, size_t size) const {
    if (place + size > bytes_.size()) return 0;
    size_t value = 0;
    for (size_t i = 0; i < size; ++i)
      value = value << 8 | bytes_[place + (big_endian_ ? i : size - 1 - i)];
    return value;
  }

  std::span<const uint8_t> bytes_;
  bool big_endian_;
};

/// Says whether `bytes` begin with `begin`.
template <size_t N>
bool starts_with(std::span<const uint8_t> bytes, const std::array<uint8_t, N>& begin) {
  return bytes.size() >= N && std::ranges::equal(bytes.first(N), begin);
}

/// Returns the orientation that a block of TIFF tags tells.
int tiff_orientation(std::span<const uint8_t> tiff) {
  constexpr std::array<uint8_t, 4> kLittle = {'I', 'I', 42, 0}, kBig = {'M', 'M', 0, 42};
  constexpr size_t kEntryBytes = 12, kOrientation = 0x0112, kShort = 3;
  bool big_endian = starts_with(tiff, kBig);
  if (!big_endian && !starts_with(tiff, kLittle)) return 1;
  NumberView numbers(tiff, big_endian);
  size_t directory = numbers.u32(4);
  for (size_t i = 0; i < numbers.u16(directory); ++i) {
    size_t entry = directory + 2 + kEntryBytes * i;
    if (numbers.u16(entry) != kOrientation || numbers.u16(entry + 2) != kShort) continue;
    size_t value = numbers.u16(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(std::span<const uint8_t> jpeg) {
  constexpr std::array<uint8_t, 6> kExif = {'E', 'x', 'i', 'f', 0, 0};
  constexpr uint8_t kApp1 = 0xe1, kStartOfScan = 0xda;
  NumberView numbers(jpeg, /*big_endian=*/true);
  size_t place = 2;  // behind the start of the image
  while (place + 4 <= jpeg.size() && jpeg[place] == 0xff) {
    uint8_t marker = jpeg[place + 1];
    size_t length = numbers.u16(place + 2);  // with its own two bytes
    if (marker == 0xff) {                    // padding
      ++place;
      continue;
    }
    if (marker == kStartOfScan || length < 2 || place + 2 + length > jpeg.size()) return 1;
    auto segment = jpeg.subspan(place + 4, length - 2);
    if (marker == kApp1 && starts_with(segment, kExif))
      return tiff_orientation(segment.subspan(kExif.size()));
    place += 2 + length;
  }
  return 1;
}

void set_upright(std::span<uint8_t> rgb, int64_t side, int orientation) {
  if (orientation == 1) return;
  bool is_transposed = orientation >= 5;
  bool flips_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  bool flips_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  std::vector<uint8_t> stored(rgb.begin(), rgb.end());
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      int64_t row = is_transposed ? x : y, column = is_transposed ? y : x;
      if (flips_rows) row = side - 1 - row;
      if (flips_columns) column = side - 1 - column;
      std::copy_n(&stored[static_cast<size_t>(3 * (row * side + column))], 3,
                  &rgb[static_cast<size_t>(3 * (y * side + x))]);
    }
  }
}

}  // namespace lemur
