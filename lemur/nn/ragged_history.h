// Histories of a batch as ragged indices into shared tables, and the buckets of time gaps.
#pragma once

#include <torch/types.h>

#include <bit>
#include <cstdint>

namespace lemur {

/// The histories of B samples, M elements in all; a sample's elements are stored oldest first.
struct RaggedHistory {
  torch::Tensor offsets;   ///< int64 [B + 1]: elements of sample b are offsets[b] to offsets[b + 1]
                           ///< (or [H + 1], see `samples`)
  torch::Tensor document;  ///< int64 [M]: row of the batch's table of documents; -1: missing
  torch::Tensor gap;       ///< int64 [M]: gap_bucket of the sample's time minus the element's
  torch::Tensor action;    ///< int64 [M]: index of the action's name
  torch::Tensor samples;   ///< int64 [H + 1]: history h is shared by samples samples[h] to
                           ///< samples[h + 1], no document is missing and nothing is
                           ///< differentiable; undefined: every sample has a history of its own
};

/// Number of buckets that gap_bucket tells apart.
inline constexpr int64_t kGapBuckets = 64;

/// Returns floor(log2(whole seconds)) + 1 of a time gap in milliseconds; 0 for gaps below one
/// second and negative ones. Always in [0, kGapBuckets).
inline int gap_bucket(int64_t milliseconds) {
  return milliseconds < 1000 ? 0 : std::bit_width(static_cast<uint64_t>(milliseconds / 1000));
}

}  // namespace lemur
