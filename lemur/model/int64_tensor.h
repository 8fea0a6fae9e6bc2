// Lists of integers as tensors.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <vector>

namespace lemur {

/// Returns int64 [n], a copy.
template <typename T>
torch::Tensor int64_tensor(const std::vector<T>& values) {
  torch::Tensor tensor = torch::empty(static_cast<int64_t>(values.size()), torch::kInt64);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

}  // namespace lemur
