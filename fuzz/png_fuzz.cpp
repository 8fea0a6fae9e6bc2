// Feeds any bytes to the PNG decoder.
#include "fuzz/image_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lemur::fuzz_image(lemur::decode_png, data, size);
  return 0;
}
