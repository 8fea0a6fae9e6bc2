// Feeds any bytes to the WebP decoder, with animations.
#include "fuzz/image_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lemur::fuzz_image(lemur::decode_webp, data, size);
  return 0;
}
