// Attention of queries over ragged histories whose elements are sums of shared parts.
#pragma once

#include <torch/types.h>

namespace lemur {

/// The probabilities of each sample's elements, summed by the part that they are made of.
struct RaggedWeights {
  torch::Tensor document;  ///< [B, U]
  torch::Tensor gap;       ///< [B, G]
  torch::Tensor action;    ///< [B, A]
};

/// Takes the softmax over each sample's elements of score_document + score_gap + score_action.
///
/// Because element j is a sum of three shared vectors, neither elements nor products with them are
/// ever materialised: with scores Q E^T, Q T^T, Q A^T the attended value is
/// W_document E + W_gap T + W_action A.
///
/// `scores_document` [B, U], `scores_gap` [B, G], `scores_action` [B, A], float or double.
/// `offsets` int64 [B + 1]: elements of sample b are offsets[b] to offsets[b + 1]. `document`,
/// `gap`, `action` int64 or int32 [M]: columns of the scores; document -1 leaves the element out.
/// A sample without elements gets zeros. Differentiable once in the scores. On the CPU the result
/// does not depend on the number of threads; other devices take ragged_attention_reference. Throws
/// InvalidArgument where shapes do not fit or an index is out of range.
RaggedWeights ragged_attention(const torch::Tensor& scores_document,
                               const torch::Tensor& scores_gap, const torch::Tensor& scores_action,
                               const torch::Tensor& offsets, const torch::Tensor& document,
                               const torch::Tensor& gap, const torch::Tensor& action);

/// Gives the same as ragged_attention, sample by sample from LibTorch's operations.
RaggedWeights ragged_attention_reference(const torch::Tensor& scores_document,
                                         const torch::Tensor& scores_gap,
                                         const torch::Tensor& scores_action,
                                         const torch::Tensor& offsets,
                                         const torch::Tensor& document, const torch::Tensor& gap,
                                         const torch::Tensor& action);

}  // namespace lemur
