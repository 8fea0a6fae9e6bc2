// Attention inside packed texts by LibTorch's flash kernels (LibTorch 2.1 or later, CUDA).
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace lemur {

/// Where texts begin, as the host, and as a kernel reads it.
struct DeviceTexts {
  torch::Tensor offsets;  ///< int64 [I + 1] on the CPU
  torch::Tensor starts;   ///< the same in int32 on the device
  int64_t longest = 0;    ///< tokens of the longest text
};

/// Copies offsets, checked and on the CPU, to a device.
DeviceTexts texts_on_device(const torch::Tensor& offsets, torch::Device device);

/// As packed_attention(qkv, texts.offsets, heads), without copying the offsets again.
torch::Tensor packed_attention(const torch::Tensor& qkv, const DeviceTexts& texts, int64_t heads);

/// Whether flash_attention takes `qkv` [total, 3 * d]: bfloat16 on CUDA, heads 8 to 256 wide by
/// steps of 8, a LibTorch that has it.
bool fits_flash(const torch::Tensor& qkv, int64_t heads);

/// Gives the same as packed_attention, in bfloat16. Requires fits_flash(qkv, heads).
torch::Tensor flash_attention(const torch::Tensor& qkv, const DeviceTexts& texts, int64_t heads);

}  // namespace lemur
