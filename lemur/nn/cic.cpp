#include "lemur/nn/cic.h"

#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/kernels/product.h"

namespace lemur {
namespace {

torch::Tensor normalized(const torch::Tensor& x) {
  return x / x.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-8);
}

}  // namespace

torch::Tensor cic_loss(const torch::Tensor& content, const torch::Tensor& ids, double temperature) {
  if (content.dim() != 2 || content.sizes() != ids.sizes())
    fail<InvalidArgument>("cic", "content has shape {}, ids {}; expected both [I, r]",
                          fmt::join(content.sizes(), " x "), fmt::join(ids.sizes(), " x "));
  if (content.size(0) == 0) return (content.sum() + ids.sum()) * 0;
  const torch::Tensor scores = product(normalized(content), normalized(ids).t()) * temperature;
  const torch::Tensor others = (scores.logsumexp(1) + scores.logsumexp(0)) * 0.5;
  return (others - scores.diagonal()).mean();
}

}  // namespace lemur
