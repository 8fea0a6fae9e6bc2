// flash_attention.h in a build without CUDA or with a LibTorch before 2.1.
#include "lemur/base/error.h"
#include "lemur/kernels/flash_attention.h"

namespace lemur {

bool fits_flash(const torch::Tensor&, int64_t) { return false; }

torch::Tensor flash_attention(const torch::Tensor&, const DeviceTexts&, int64_t) {
  fail<InvalidArgument>("flash_attention", "this build has no flash attention");
}

}  // namespace lemur
