// EM3's content-ID contrastive loss (arXiv 2404.06078; model.md 3).
#pragma once

#include <torch/types.h>

namespace lemur {

/// Returns the scalar symmetric InfoNCE between `content` [I, r] and `ids` [I, r] of I distinct
/// documents: with s_ij = temperature cos(content_i, ids_j), the mean over i of
/// -s_ii + (logsumexp_j s_ij + logsumexp_j s_ji) / 2. Both of one floating type. Without a document
/// returns 0, connected to the graph. Throws InvalidArgument where shapes do not fit.
torch::Tensor cic_loss(const torch::Tensor& content, const torch::Tensor& ids, double temperature);

}  // namespace lemur
