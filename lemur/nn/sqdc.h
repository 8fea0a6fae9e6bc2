// The session-masked query-to-document contrastive loss (model.md 3).
#pragma once

#include <torch/types.h>

namespace lemur {

struct SqdcOptions {
  double temperature = 50;     ///< T, factor on the cosines
  bool session_mask = true;    ///< documents of the same request are no negatives
  bool document_mask = true;   ///< other samples of the same document are no negatives
  bool negatives_all = false;  ///< negatives are the documents of all samples, not of the clicked
};

/// Returns the scalar mean over the clicked samples i of
/// -s_ii + logsumexp over {i} and {j : A_ij = 1} of s_ij, with s_ij = T cos(q_i, d_j).
///
/// `q`, `d` [B, r] of one floating type; `labels` [B], clicked where above 0.5; `requests`,
/// `documents` int64 [B]; `anchor_mask` bool [B]: samples that have a query, undefined: all.
/// A sample without a query is no anchor, its document is still a negative. Without any anchor
/// returns 0, connected to the graph. Throws InvalidArgument where shapes do not fit.
torch::Tensor sqdc_loss(const torch::Tensor& q, const torch::Tensor& d, const torch::Tensor& labels,
                        const torch::Tensor& requests, const torch::Tensor& documents,
                        const SqdcOptions& options = {}, const torch::Tensor& anchor_mask = {});

}  // namespace lemur
