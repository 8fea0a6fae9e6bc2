#include "lemur/nn/mlp.h"

#include <torch/torch.h>

#include "lemur/base/error.h"

namespace lemur {

MlpImpl::MlpImpl(const MlpOptions& options) {
  int64_t width = options.input;
  if (width < 1) fail<InvalidArgument>("mlp", "input is {}; expected at least 1", width);
  for (int64_t next : options.widths) {
    if (next < 1) fail<InvalidArgument>("mlp", "width is {}; expected at least 1", next);
    auto layer = register_module("layer_" + std::to_string(layers_.size()), Linear(width, next));
    torch::nn::init::kaiming_uniform_(layer->weight, 0, torch::kFanIn, torch::kReLU);
    torch::nn::init::zeros_(layer->bias);
    layers_.push_back(layer);
    width = next;
  }
}

torch::Tensor MlpImpl::forward(torch::Tensor x) {
  for (auto& layer : layers_) x = torch::relu(layer(x));
  return x;
}

}  // namespace lemur
