// RankMixer: feature tokens mixed without attention (model.md 6).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "lemur/nn/initialized_layers.h"

namespace lemur {

struct RankMixerOptions {
  int64_t input = 0;    ///< width of the concatenated features
  int64_t tokens = 16;  ///< T, divides width
  int64_t width = 128;  ///< D, of a token
  int64_t layers = 2;
  int64_t ffn_factor = 4;
  double dropout = 0;  ///< on the input tokens and inside the FFNs; 0: none
};

/// Mixes tokens: with T heads, output token h is the concatenation of head h of all tokens.
/// `x` [T, B, D], T divides D; returns [T, B, D].
torch::Tensor mix_tokens(const torch::Tensor& x);

/// Throws InvalidArgument, which names `where`, where a size is not positive or T does not divide
/// D.
void check_sizes(const char* where, const RankMixerOptions& options);

/// Returns the width of the T equal slices that features are cut into.
int64_t slice_width(const RankMixerOptions& options);

/// Cuts `features` [B, input] into slices [T, B, slice_width], the last ones padded with zeros.
/// Throws InvalidArgument, which names `where`, where they have another shape.
torch::Tensor feature_slices(const char* where, const RankMixerOptions& options,
                             const torch::Tensor& features);

/// Linear maps with weights of their own for each token.
class TokenLinearImpl : public torch::nn::Module {
 public:
  TokenLinearImpl(int64_t tokens, int64_t input, int64_t output);

  /// Maps [T, B, input] to [T, B, output].
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor weight;                     ///< [T, output, input]
  torch::Tensor bias;                       ///< [T, output]
  std::shared_ptr<const Int8Weights> int8;  ///< set: computes with these
};
TORCH_MODULE(TokenLinear);

/// One block: S = LN(mix(X) + X), X = LN(PFFN(S) + S).
class RankMixerBlockImpl : public torch::nn::Module {
 public:
  explicit RankMixerBlockImpl(const RankMixerOptions& options);

  /// Maps [T, B, D] to [T, B, D].
  torch::Tensor forward(const torch::Tensor& x);

 private:
  double dropout_;
  TokenLinear ffn_input_{nullptr}, ffn_output_{nullptr};
  LayerNorm mix_norm_{nullptr}, ffn_norm_{nullptr};
};
TORCH_MODULE(RankMixerBlock);

/// Cuts the features into T equal slices (padded with zeros), one token each, and mixes them.
class RankMixerImpl : public torch::nn::Module {
 public:
  /// Throws InvalidArgument where a size is not positive or T does not divide D.
  explicit RankMixerImpl(const RankMixerOptions& options);

  /// Maps `features` [B, input] to the mean of the tokens [B, D].
  torch::Tensor forward(const torch::Tensor& features);

 private:
  RankMixerOptions options_;
  TokenLinear input_{nullptr};
  std::vector<RankMixerBlock> blocks_;
};
TORCH_MODULE(RankMixer);

}  // namespace lemur
