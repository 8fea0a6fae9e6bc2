#include "lemur/kernels/device.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>
#include <torch/version.h>

#include "lemur/base/error.h"
#include "lemur/kernels/cuda_types.h"

namespace lemur {
namespace {

thread_local bool active = false;

/// LibTorch 2.4 asks for the device; before, autocast was CUDA's.
void set_autocast(bool on) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  at::autocast::set_autocast_dtype(at::kCUDA, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCUDA, on);
#else
  at::autocast::set_autocast_gpu_dtype(at::kBFloat16);
  at::autocast::set_enabled(on);
#endif
}

}  // namespace

torch::Device device_named(const std::string& name) {
  if (name == "cpu") return torch::kCPU;
  if (name != "cuda")
    fail<InvalidArgument>("train", "device '{}' is unknown; cpu and cuda are", name);
  if (!built_with_cuda())
    fail<InvalidArgument>("train",
                          "device 'cuda' asked for, but this build has no CUDA; docs/gpu.md says "
                          "how to build with it");
  if (!torch::cuda::is_available())
    fail<InvalidArgument>("train", "device 'cuda' asked for, but LibTorch finds no GPU here");
  return {torch::kCUDA, 0};
}

Bfloat16Scope::Bfloat16Scope(bool on) : on_(on) {
  if (!on_) return;
  active = true;
  set_autocast(true);
  at::autocast::increment_nesting();
}

Bfloat16Scope::~Bfloat16Scope() {
  if (!on_) return;
  at::autocast::decrement_nesting();
  at::autocast::clear_cache();  // weights in bfloat16, which a step changes
  set_autocast(false);
  active = false;
}

bool Bfloat16Scope::is_active() { return active; }

void cuda::launch_failed(const char* kernel, const char* message) {
  fail<Error>("cuda", "{} did not start: {}", kernel, message);
}

}  // namespace lemur
