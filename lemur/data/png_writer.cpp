#include "lemur/data/png_writer.h"

#include <png.h>

#include "lemur/base/error.h"

namespace lemur {

std::vector<uint8_t> png_of(std::span<const uint8_t> rgb, int64_t side) {
  if (side <= 0 || std::ssize(rgb) != 3 * side * side)
    fail<InvalidArgument>("image", "{} bytes are no square of {} pixels", rgb.size(), side);
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = static_cast<png_uint_32>(side);
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<uint8_t> png(size);
  const int written =
      png_image_write_to_memory(&image, png.data(), &size, 0, rgb.data(), 0, nullptr);
  ensure(written != 0, "image", image.message);
  png.resize(size);
  return png;
}

}  // namespace lemur
