#include "lemur/model/history_index.h"

#include <torch/torch.h>

namespace lemur {

std::vector<RaggedHistory> HistoryIndex::only(const std::vector<bool>& present) const {
  std::vector<RaggedHistory> result = histories;
  for (RaggedHistory& history : result) {
    history.document = history.document.clone();
    auto* document = history.document.data_ptr<int64_t>();
    for (int64_t m = 0; m < history.document.numel(); ++m)
      if (!present[static_cast<size_t>(document[m])]) document[m] = -1;
  }
  return result;
}

HistoryIndex HistoryIndexer::build(const Batch& batch) {
  HistoryIndex index;
  for (const Batch::History& history : batch.histories) {
    auto num_samples = static_cast<int64_t>(batch.size());
    int64_t total = history.offsets.back();
    RaggedHistory ragged;
    ragged.offsets = torch::empty(num_samples + 1, torch::kInt64);
    ragged.document = torch::empty(total, torch::kInt64);
    ragged.gap = torch::empty(total, torch::kInt64);
    ragged.action = torch::empty(total, torch::kInt64);
    auto *offsets = ragged.offsets.data_ptr<int64_t>(),
         *document = ragged.document.data_ptr<int64_t>();
    auto *gap = ragged.gap.data_ptr<int64_t>(), *action = ragged.action.data_ptr<int64_t>();
    int64_t element = 0;
    offsets[0] = 0;
    for (size_t sample = 0; sample < batch.size(); ++sample) {
      const HistoryView& view = history.views[sample];
      for (size_t j = 0; j < view.size(); ++j, ++element) {
        uint32_t& slot = index_of_[view.documents[j]];
        if (slot == kNone) {
          slot = static_cast<uint32_t>(index.documents.size());
          index.documents.push_back(view.documents[j]);
        }
        document[element] = slot;
        gap[element] = gap_bucket(batch.times[sample] - view.times[j]);
        action[element] = view.actions[j];
      }
      offsets[sample + 1] = element;
    }
    index.histories.push_back(std::move(ragged));
  }
  for (uint32_t document : index.documents) index_of_[document] = kNone;
  return index;
}

}  // namespace lemur
