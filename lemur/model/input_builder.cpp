#include "lemur/model/input_builder.h"

#include <torch/torch.h>

#include "lemur/model/int64_tensor.h"

namespace lemur {
InputBuilder::InputBuilder(const SampleStore& store, RankingModel model,
                           const FeatureTables& tables)
    : store_(store),
      model_(std::move(model)),
      tables_(tables),
      indexer_(store.schema().num_documents) {}

BuiltInput InputBuilder::build(const Batch& batch, const ContentSource& histories, bool training) {
  BuiltInput built;
  RankingInput& input = built.input;
  input.document_of = int64_tensor(batch.document_of);
  input.query_of = int64_tensor(batch.query_of);

  HistoryIndex index = indexer_.build(batch);
  if (model_->reads_content_histories()) {
    StoredContent content = histories(index.documents);
    input.history_content = content.vectors;
    input.content_histories = index.only(content.present);
    built.history_present = std::move(content.present);
    for (const RaggedHistory& history : input.content_histories) {
      built.history_elements.push_back(history.document.numel());
      built.history_missing.push_back((history.document < 0).sum().item<int64_t>());
    }
  }

  std::vector<uint64_t> history_keys;
  if (model_->reads_id_histories())
    for (uint32_t document : index.documents)
      history_keys.push_back(store_.document_keys()[document]);
  built.features = tables_.embed(batch, history_keys, training);
  input.features = built.features.values;
  input.history_ids = built.features.history;
  input.id_histories = std::move(index.histories);
  built.history_documents = std::move(index.documents);
  return built;
}

RankingTargets make_targets(const Batch& batch, int64_t num_labels) {
  return {torch::tensor(batch.labels).view({static_cast<int64_t>(batch.size()), num_labels}),
          torch::tensor(batch.weights),
          batch.log_odds_shift.empty() ? torch::Tensor() : torch::tensor(batch.log_odds_shift),
          int64_tensor(batch.requests), int64_tensor(batch.document_of)};
}

}  // namespace lemur
