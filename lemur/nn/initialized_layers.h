// The layers of this room's modules, with the initial values that they start from.
#pragma once

#include <torch/nn/init.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "lemur/kernels/int8_product.h"
#include "lemur/kernels/product.h"

namespace lemur {

/// LibTorch's layer over x [m, input], computed by product.
class LinearImpl : public torch::nn::LinearImpl {
 public:
  using torch::nn::LinearImpl::LinearImpl;
  torch::Tensor forward(const torch::Tensor& x) {
    return int8 ? int8->product(x, bias) : product(x, weight.t(), bias);
  }

  std::shared_ptr<const Int8Weights> int8;  ///< set: computes with these
};
TORCH_MODULE(Linear);

/// LibTorch's layer over the last dimension, computed by normalize.
class LayerNormImpl : public torch::nn::LayerNormImpl {
 public:
  using torch::nn::LayerNormImpl::LayerNormImpl;
  torch::Tensor forward(const torch::Tensor& x) {
    return normalize(x, weight, bias, options.eps());
  }
};
TORCH_MODULE(LayerNorm);

/// While one lives, modules that its thread makes hold anything where they would draw many values:
/// for models whose weights are loaded right after.
class NoInitialValues {
 public:
  NoInitialValues() : before_(std::exchange(is_active_, true)) {}
  ~NoInitialValues() { is_active_ = before_; }
  NoInitialValues(const NoInitialValues&) = delete;
  NoInitialValues& operator=(const NoInitialValues&) = delete;

  static bool is_active() { return is_active_; }

 private:
  inline static thread_local bool is_active_ = false;
  bool before_;
};

/// Fills a matrix from Xavier's uniform distribution.
inline void draw_xavier(const torch::Tensor& weight) {
  if (!NoInitialValues::is_active()) torch::nn::init::xavier_uniform_(weight);
}

/// Makes a layer with Xavier-uniform weights and zero bias.
template <typename Layer = Linear>
Layer initialized_linear(int64_t input, int64_t output, bool bias = true) {
  Layer layer(torch::nn::LinearOptions(input, output).bias(bias));
  draw_xavier(layer->weight);
  if (bias) torch::nn::init::zeros_(layer->bias);
  return layer;
}

/// Makes an embedding drawn from a normal distribution of deviation 0.02.
inline torch::nn::Embedding initialized_embedding(int64_t rows, int64_t width) {
  torch::nn::EmbeddingOptions options(rows, width);
  if (NoInitialValues::is_active()) options._weight(torch::empty({rows, width}));
  torch::nn::Embedding table(options);
  if (!NoInitialValues::is_active()) torch::nn::init::normal_(table->weight, 0, 0.02);
  return table;
}

/// Makes a normalisation of the last dimension, with gain and bias.
template <typename Layer = LayerNorm>
Layer layer_norm(int64_t width) {
  return Layer(torch::nn::LayerNormOptions({width}));
}

}  // namespace lemur
