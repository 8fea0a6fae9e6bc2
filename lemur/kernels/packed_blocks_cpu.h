// The loops of packed_blocks on the CPU over one chunk: whole texts, one behind the other.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "lemur/kernels/packed_blocks.h"

namespace lemur {

template <typename T>
using BlockPointers = std::array<T*, kNumBlockParameters>;

/// Sizes that all blocks share.
struct BlockShape {
  int64_t d, hidden, heads;
};

/// The texts of a chunk: text i has the rows starts[i] up to starts[i + 1], counted from the first
/// of the chunk, where starts[0] = 0.
struct Chunk {
  std::span<const int64_t> starts;

  int64_t texts() const { return static_cast<int64_t>(starts.size()) - 1; }
  int64_t rows() const { return starts.back(); }
};

/// What a block computes on its way, kept for its backward. In a `narrow` block, which computes
/// the first rows alone behind its attention, all but `qkv` have a row for each text, else for each
/// row of the texts.
template <typename T>
struct BlockStates {
  T *qkv, *attended, *middle, *hidden;  // of width 3 * d, d, d (behind the attention), hidden
};

/// Writes `output`: [rows, d], of a narrow block [texts, d]. The weights of linear layers in
/// `parameters` are transposed: [input, output].
template <typename T>
void forward_block(const Chunk& chunk, const BlockShape& shape, bool narrow,
                   const BlockPointers<const T>& parameters, const T* x,
                   const BlockStates<T>& states, T* scratch, T* output);

/// From the gradient of the output writes that of x (`grad_x` [rows, d]) and adds to those of the
/// parameters.
template <typename T>
void backward_block(const Chunk& chunk, const BlockShape& shape, bool narrow,
                    const BlockPointers<const T>& parameters, const T* x,
                    const BlockStates<T>& states, const T* grad_output, T* scratch, T* grad_x,
                    const BlockPointers<T>& gradients);

/// Values that `scratch` must hold, per row of the chunk.
int64_t forward_scratch(const BlockShape& shape);
int64_t backward_scratch(const BlockShape& shape);

}  // namespace lemur
