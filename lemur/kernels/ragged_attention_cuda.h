// Attention of queries over ragged histories (ragged_attention.h) on CUDA.
#pragma once

#include "lemur/kernels/cuda_types.h"

namespace lemur::cuda {

/// What both passes read.
struct AttentionView {
  RaggedView listed;             ///< documents of the samples' elements
  const int32_t *gap, *action;   ///< [M]
  int64_t width, gaps, actions;  ///< w, G, A
  const float* query;            ///< [B, w]
  RowView<float> keys, values;   ///< [U, w]
  const float* score_gap;        ///< [B, G]
  const float* score_action;     ///< [B, A]
};

/// Writes the attended value [B, w], the probabilities summed by gap [B, G] and by action [B, A],
/// and the probabilities [M], 0 where an element is left out.
void ragged_attention_forward(const AttentionView& view, float* attended, float* by_gap,
                              float* by_action, float* probabilities, void* stream);

/// Gradients of the outputs.
struct AttendedGradients {
  const float *attended, *by_gap, *by_action;
};

/// Writes the gradients of query, score_gap, score_action, and of the scores [M], from which those
/// of keys and values are sums over the elements that list a row.
void ragged_attention_backward(const AttentionView& view, const AttendedGradients& given,
                               const float* probabilities, float* query, float* score_gap,
                               float* score_action, float* scores, void* stream);

}  // namespace lemur::cuda
