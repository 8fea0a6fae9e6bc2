// Feeds any bytes to the JPEG decoder, with EXIF's orientation.
#include "fuzz/image_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lemur::fuzz_image(lemur::decode_jpeg, data, size);
  return 0;
}
