// Attention of queries over ragged histories whose elements are sums of shared vectors.
#pragma once

#include <torch/types.h>

namespace lemur {

/// What a query reads of its history, by the parts that elements are made of.
struct RaggedAttended {
  torch::Tensor documents;  ///< [B, w]: sum of p_j times the value of element j's document
  torch::Tensor gap;        ///< [B, G]: sum of p_j over the elements of each gap
  torch::Tensor action;     ///< [B, A]
};

/// The histories of B samples, as RaggedHistory.
struct RaggedElements {
  torch::Tensor offsets;                ///< int64 [B + 1]
  torch::Tensor document, gap, action;  ///< int64 or int32 [M]; document -1: left out
};

/// Takes p, the softmax over each sample's elements of query . key of the document + score_gap +
/// score_action, and sums it up.
///
/// Because element j is a sum of three shared vectors E_j + T_j + A_j, no element is ever made:
/// with keys and values E, scores_gap Q T^T and scores_action Q A^T the attended value is
/// `documents` + `gap` T + `action` A. Rows of keys and values are read where they are.
///
/// `query` [B, w], `keys` and `values` [U, w], `scores_gap` [B, G], `scores_action` [B, A], float
/// or double. A sample without elements gets zeros. Differentiable once in all five. On the CPU the
/// result does not depend on the number of threads; other devices take ragged_attention_reference.
/// Throws InvalidArgument where shapes do not fit or an index is out of range.
RaggedAttended ragged_attention(const torch::Tensor& query, const torch::Tensor& keys,
                                const torch::Tensor& values, const torch::Tensor& scores_gap,
                                const torch::Tensor& scores_action, const RaggedElements& elements);

/// Gives the same as ragged_attention, sample by sample from LibTorch's operations.
RaggedAttended ragged_attention_reference(const torch::Tensor& query, const torch::Tensor& keys,
                                          const torch::Tensor& values,
                                          const torch::Tensor& scores_gap,
                                          const torch::Tensor& scores_action,
                                          const RaggedElements& elements);

}  // namespace lemur
