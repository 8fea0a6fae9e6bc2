// Types that the CUDA kernels' launchers take. Every launcher works in `stream` (a cudaStream_t,
// null: the default one) and returns before the work is done; its pointers are device memory. In a
// build without CUDA every launcher throws InvalidArgument.
#pragma once

#include <cstdint>

namespace lemur::cuda {

/// The bits of a bfloat16.
struct Bfloat16 {
  uint16_t bits;
};

/// Rows, `stride` values apart.
template <typename T>
struct RowView {
  const T* data;
  int64_t stride;
};

/// Rows of a table that samples list: sample b lists row[m] for m from offsets[b] to
/// offsets[b + 1], -1: none.
struct RaggedView {
  const int64_t* offsets;  ///< [samples + 1]
  const int32_t* row;      ///< [M]
  int64_t samples;
};

/// Throws Error with the kernel's name and CUDA's message.
[[noreturn]] void launch_failed(const char* kernel, const char* message);

}  // namespace lemur::cuda
