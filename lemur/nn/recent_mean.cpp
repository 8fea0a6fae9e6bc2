#include "lemur/nn/recent_mean.h"

#include <torch/torch.h>

#include <vector>

#include "lemur/base/error.h"
#include "lemur/kernels/row_check.h"

namespace lemur {

RecentMean recent_mean(const torch::Tensor& vectors, const RaggedHistory& history, int64_t count) {
  if (count < 1) fail<InvalidArgument>("recent_mean", "count is {}; expected at least 1", count);
  torch::NoGradGuard no_grad;
  const int64_t num_elements = history.document.numel();
  const torch::Tensor offsets = checked_offsets("recent_mean", history.offsets, num_elements);
  const torch::Tensor documents =
      checked_index("recent_mean", "document", history.document, num_elements, -1, vectors.size(0))
          .to(torch::kInt64)
          .cpu()
          .contiguous();
  const int64_t *begin = offsets.data_ptr<int64_t>(), *document = documents.data_ptr<int64_t>();
  std::vector<int64_t> picked, bags;
  for (int64_t b = 0; b + 1 < offsets.numel(); ++b) {
    bags.push_back(static_cast<int64_t>(picked.size()));
    const size_t full = picked.size() + static_cast<size_t>(count);
    for (int64_t j = begin[b + 1]; j-- > begin[b] && picked.size() < full;)
      if (document[j] >= 0) picked.push_back(document[j]);
  }
  const torch::Tensor starts = torch::tensor(bags, torch::kInt64);
  bags.push_back(static_cast<int64_t>(picked.size()));
  const torch::Tensor sizes = torch::tensor(bags, torch::kInt64).diff();
  const torch::Tensor rows = torch::tensor(picked, torch::kInt64);
  const torch::Device device = vectors.device();
  // Mode 1 is the mean; an empty bag gives zeros.
  torch::Tensor mean = std::get<0>(torch::embedding_bag(vectors.detach(), rows.to(device),
                                                        starts.to(device), false, /*mode=*/1));
  return {mean, (sizes > 0).to(device)};
}

}  // namespace lemur
