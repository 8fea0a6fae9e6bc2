// The mean of a history's last documents: what stands for the query in feeds (model.md 3).
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "lemur/nn/ragged_history.h"

namespace lemur {

struct RecentMean {
  torch::Tensor mean;    ///< [B, r], zeros where there is no document
  torch::Tensor exists;  ///< bool [B]
};

/// Averages, per sample, the vectors of the last `count` elements of its history that are not
/// missing. `vectors` [U, r] float, on the CPU; no gradient flows into it. Throws InvalidArgument
/// where count < 1, or an index or shape does not fit.
RecentMean recent_mean(const torch::Tensor& vectors, const RaggedHistory& history, int64_t count);

}  // namespace lemur
