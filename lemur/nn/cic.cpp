#include "lemur/nn/cic.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/kernels/product.h"
#include "lemur/nn/unit_rows.h"

namespace lemur {
torch::Tensor cic_loss(const torch::Tensor& content, const torch::Tensor& ids, double temperature) {
  if (content.dim() != 2 || content.sizes() != ids.sizes())
    fail<InvalidArgument>("cic", "content has shape {}, ids {}; expected both [I, r]",
                          fmt::join(content.sizes(), " x "), fmt::join(ids.sizes(), " x "));
  if (content.size(0) == 0) return (content.sum() + ids.sum()) * 0;
  const torch::Tensor scores = product(unit_rows(content), unit_rows(ids).t()) * temperature;
  const torch::Tensor others = (scores.logsumexp(1) + scores.logsumexp(0)) * 0.5;
  return (others - scores.diagonal()).mean();
}

}  // namespace lemur
