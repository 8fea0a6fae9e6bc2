// RankMixer with sparse experts: each token's FFN is a sum of experts behind ReLU gates, trained
// densely and run sparsely (RankMixer, arXiv 2507.15551, section 3.4; model.md 6).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "lemur/nn/rankmixer.h"

namespace lemur {

struct RankMixerMoeOptions {
  RankMixerOptions mixer;
  int64_t experts = 4;  ///< of each token, each as wide as the FFN that they replace
};

/// Which of the two routers opens the gates.
enum class Router {
  kDense,  ///< unpenalised, for training: every expert runs for every sample
  kSparse  ///< penalised, for training and inference: experts run where their gate is open
};

/// The experts of all tokens: the sum over e of ReLU(router(x))_e FFN_e(x).
class TokenExpertsImpl : public torch::nn::Module {
 public:
  explicit TokenExpertsImpl(const RankMixerMoeOptions& options);

  /// Returns the gates [T, B, E] of `x` [T, B, D], none negative.
  torch::Tensor gates(const torch::Tensor& x, Router router);

  /// Maps `x` [T, B, D] to [T, B, D]. An expert whose gate is closed adds nothing: kDense computes
  /// it all the same, kSparse leaves it out.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& gates, Router router);

 private:
  torch::Tensor run_all(const torch::Tensor& x, const torch::Tensor& gates);
  torch::Tensor run_open(const torch::Tensor& x, const torch::Tensor& gates);

  int64_t experts_;
  double dropout_;
  TokenLinear dense_router_{nullptr}, sparse_router_{nullptr};
  TokenLinear ffn_input_{nullptr}, ffn_output_{nullptr};  // T * E of them
};
TORCH_MODULE(TokenExperts);

/// One block: S = LN(mix(X) + X), X = LN(experts(S) + S).
class RankMixerMoeBlockImpl : public torch::nn::Module {
 public:
  explicit RankMixerMoeBlockImpl(const RankMixerMoeOptions& options);

  /// Maps [T, B, D] to [T, B, D] and adds the sum of the block's gates, as a mean over tokens and
  /// samples, to `activity`.
  torch::Tensor forward(const torch::Tensor& x, Router router, torch::Tensor& activity);

 private:
  TokenExperts experts_{nullptr};
  LayerNorm mix_norm_{nullptr}, ffn_norm_{nullptr};
};
TORCH_MODULE(RankMixerMoeBlock);

/// The mixer under both routers, for training.
struct MixedByBoth {
  torch::Tensor dense, sparse;  ///< [B, D]
  torch::Tensor activity;       ///< scalar: the sparse router's gates of a token, added up, a mean
                                ///< over blocks, tokens and samples
};

/// Cuts the features into tokens as RankMixer does, and mixes them.
class RankMixerMoeImpl : public torch::nn::Module {
 public:
  /// Throws InvalidArgument where a size is not positive or T does not divide D.
  explicit RankMixerMoeImpl(const RankMixerMoeOptions& options);

  /// Maps `features` [B, input] to the mean of the tokens [B, D], by the sparse router.
  torch::Tensor forward(const torch::Tensor& features);

  /// Maps by each router. They share all but the routers: under the dense one every expert learns,
  /// under the sparse one they learn what is asked of them at inference.
  MixedByBoth forward_both(const torch::Tensor& features);

 private:
  torch::Tensor tokens_of(const torch::Tensor& features);
  torch::Tensor mix(torch::Tensor x, Router router, torch::Tensor& activity);

  RankMixerOptions options_;
  TokenLinear input_{nullptr};
  std::vector<RankMixerMoeBlock> blocks_;
};
TORCH_MODULE(RankMixerMoe);

}  // namespace lemur
