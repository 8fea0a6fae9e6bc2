// The part of device.h that only a LibTorch with CUDA has; no_device.cpp stands for it elsewhere.
#include <c10/cuda/CUDAStream.h>

#include "lemur/kernels/device.h"

namespace lemur {

bool built_with_cuda() { return true; }

bool takes_launchers(torch::Device device) { return device.is_cuda(); }

void* stream_of(const torch::Tensor& x) {
  return x.is_cuda() ? c10::cuda::getCurrentCUDAStream(x.get_device()).stream() : nullptr;
}

}  // namespace lemur
