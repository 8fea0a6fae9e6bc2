#include "lemur/nn/sqdc.h"

#include <torch/torch.h>

#include <limits>

#include "lemur/base/error.h"
#include "lemur/kernels/product.h"
#include "lemur/nn/unit_rows.h"

namespace lemur {
namespace {

torch::Tensor positions(const torch::Tensor& mask) { return mask.nonzero().flatten(); }

}  // namespace

torch::Tensor sqdc_loss(const torch::Tensor& q, const torch::Tensor& d, const torch::Tensor& labels,
                        const torch::Tensor& requests, const torch::Tensor& documents,
                        const SqdcOptions& options, const torch::Tensor& anchor_mask) {
  if (q.dim() != 2 || q.sizes() != d.sizes())
    fail<InvalidArgument>("sqdc", "q has shape {}, d {}; expected both [B, r]",
                          fmt::join(q.sizes(), " x "), fmt::join(d.sizes(), " x "));
  for (const torch::Tensor* column : {&labels, &requests, &documents, &anchor_mask})
    if (column->defined() && (column->dim() != 1 || column->size(0) != q.size(0)))
      fail<InvalidArgument>("sqdc", "a column has shape {}; expected [{}]",
                            fmt::join(column->sizes(), " x "), q.size(0));
  const torch::Tensor clicked = labels > 0.5;
  const torch::Tensor anchors =
      positions(anchor_mask.defined() ? clicked.logical_and(anchor_mask) : clicked);
  if (anchors.numel() == 0) return (q.sum() + d.sum()) * 0;
  const torch::Tensor candidates =
      options.negatives_all ? torch::arange(q.size(0), anchors.options()) : positions(clicked);

  const torch::Tensor anchor_rows = unit_rows(q.index_select(0, anchors));
  const torch::Tensor candidate_rows = unit_rows(d.index_select(0, candidates));
  const torch::Tensor scores =
      product(anchor_rows, candidate_rows.t()) * options.temperature;  // [anchors, candidates]

  const auto equal = [&](const torch::Tensor& key) {
    return key.index_select(0, anchors).unsqueeze(1) ==
           key.index_select(0, candidates).unsqueeze(0);
  };
  const torch::Tensor own = anchors.unsqueeze(1) == candidates.unsqueeze(0);
  torch::Tensor masked = torch::zeros_like(own);
  if (options.session_mask) masked = masked.logical_or(equal(requests));
  if (options.document_mask) masked = masked.logical_or(equal(documents));
  masked = masked.logical_and(own.logical_not());

  const torch::Tensor kept = scores.masked_fill(masked, -std::numeric_limits<double>::infinity());
  // Every anchor is a candidate, so each row has its own score and exactly one.
  return (kept.logsumexp(1) - scores.masked_select(own)).mean();
}

}  // namespace lemur
