// A tower of linear layers with ReLU: the baseline ranker (model.md 6).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "lemur/nn/initialized_layers.h"

namespace lemur {

struct MlpOptions {
  int64_t input = 0;
  std::vector<int64_t> widths;  ///< of the layers, each followed by ReLU; empty: the identity
};

class MlpImpl : public torch::nn::Module {
 public:
  /// Throws InvalidArgument where a width is not positive.
  explicit MlpImpl(const MlpOptions& options);

  /// Maps [B, input] to [B, last width].
  torch::Tensor forward(torch::Tensor x);

 private:
  std::vector<Linear> layers_;
};
TORCH_MODULE(Mlp);

}  // namespace lemur
