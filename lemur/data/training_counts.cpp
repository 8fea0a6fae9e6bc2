#include "lemur/data/training_counts.h"

namespace lemur {

TrainingCounts count_training(const SampleStore& store) {
  const StoreSchema& schema = store.schema();
  TrainingCounts counts{std::vector<uint32_t>(schema.num_documents),
                        std::vector<uint32_t>(schema.num_users),
                        std::vector<uint32_t>(schema.num_queries)};
  const auto& train = schema.split("train");
  for (uint64_t e = train.begin; e < train.end; ++e) {
    if (store.weights()[e] == 0) continue;
    ++counts.documents[store.documents()[e]];
    ++counts.users[store.users()[e]];
    if (store.queries()[e] != kNone) ++counts.queries[store.queries()[e]];
  }
  return counts;
}

std::vector<uint64_t> count_reads(const SampleStore& store) {
  const StoreSchema& schema = store.schema();
  std::vector<uint64_t> reads(schema.num_documents);
  const auto& train = schema.split("train");
  for (uint64_t e = train.begin; e < train.end; ++e)
    if (store.weights()[e] != 0) ++reads[store.documents()[e]];
  for (size_t h = 0; h < schema.histories.size(); ++h) {
    const std::span<const uint32_t> documents = store.actions(h).documents;
    // A history is a slice of the actions: where slices begin and end tells how many hold each.
    std::vector<int32_t> change(documents.size() + 1);
    for (uint64_t e = train.begin; e < train.end; ++e) {
      if (store.weights()[e] == 0) continue;
      const HistoryView view = store.history(h, store.users()[e], store.request_times()[e]);
      const auto begin = static_cast<size_t>(view.documents.data() - documents.data());
      ++change[begin];
      --change[begin + view.size()];
    }
    int64_t rows = 0;
    for (size_t i = 0; i < documents.size(); ++i) {
      rows += change[i];
      reads[documents[i]] += static_cast<uint64_t>(rows);
    }
  }
  return reads;
}

}  // namespace lemur
