// Where tensors are computed: the devices of this build and machine, streams, bfloat16.
#pragma once

#include <torch/types.h>

namespace lemur {

/// Whether the CUDA kernels are part of this build.
bool built_with_cuda();

/// Whether what lies on `device` is computed by CUDA's launchers.
bool takes_launchers(torch::Device device);

/// Returns the device that the options name, "cpu" or "cuda". Throws InvalidArgument where this
/// build or machine lacks it.
torch::Device device_named(const std::string& name);

/// Returns the stream that the launchers work in for `x`: LibTorch's current one on its device,
/// null on the CPU.
void* stream_of(const torch::Tensor& x);

/// While it lives, LibTorch computes matrix products on CUDA in bfloat16 (autocast). Does nothing
/// where `on` is false. Not to be nested.
class Bfloat16Scope {
 public:
  explicit Bfloat16Scope(bool on);
  ~Bfloat16Scope();
  Bfloat16Scope(const Bfloat16Scope&) = delete;
  Bfloat16Scope& operator=(const Bfloat16Scope&) = delete;

  /// Whether the calling thread is inside of one that is on.
  static bool is_active();

 private:
  bool on_;
};

/// Returns x, in float32 where it is bfloat16.
inline torch::Tensor full_precision(const torch::Tensor& x) {
  return x.defined() && x.scalar_type() == torch::kBFloat16 ? x.to(torch::kFloat32) : x;
}

}  // namespace lemur
