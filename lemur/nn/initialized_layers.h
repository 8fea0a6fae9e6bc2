// LibTorch's layers with the initial values that the modules of this room start from.
#pragma once

#include <torch/nn/init.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cstdint>

namespace lemur {

/// Makes a layer with Xavier-uniform weights and zero bias.
inline torch::nn::Linear initialized_linear(int64_t input, int64_t output, bool bias = true) {
  torch::nn::Linear layer(torch::nn::LinearOptions(input, output).bias(bias));
  torch::nn::init::xavier_uniform_(layer->weight);
  if (bias) torch::nn::init::zeros_(layer->bias);
  return layer;
}

/// Makes an embedding drawn from a normal distribution of deviation 0.02.
inline torch::nn::Embedding initialized_embedding(int64_t rows, int64_t width) {
  torch::nn::Embedding table(rows, width);
  torch::nn::init::normal_(table->weight, 0, 0.02);
  return table;
}

/// Makes a normalisation of the last dimension, with gain and bias.
inline torch::nn::LayerNorm layer_norm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
}

}  // namespace lemur
