#include "lemur/train/train_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "lemur/base/error.h"
#include "lemur/train/step_plan.h"

namespace lemur {
namespace {

std::vector<uint32_t> pick(const std::vector<uint32_t>& documents,
                           const std::vector<uint32_t>& indices) {
  std::vector<uint32_t> picked;
  for (uint32_t i : indices) picked.push_back(documents[i]);
  return picked;
}

}  // namespace

TrainStep::TrainStep(const SampleStore& store, ModelState& state, DenseOptimizer& optimizer)
    : store_(store),
      state_(state),
      optimizer_(optimizer),
      builder_(store, state.model, state.tables),
      no_bank_(state.model->representation_width()),
      documents_(store, state.bank ? *state.bank : no_bank_) {}

torch::Tensor TrainStep::encode_targets(const Batch& batch, int64_t step, StepMetrics& metrics) {
  std::vector<uint64_t> keys;
  std::unique_ptr<bool[]> present(new bool[batch.documents.size()]);
  int64_t num_present = 0;
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    keys.push_back(store_.document_keys()[batch.documents[i]]);
    num_present += present[i] = documents_.contains(batch.documents[i]);
  }
  BankOptions options = state_.options.bank;
  options.enabled = state_.bank != nullptr;
  StepPlan plan = plan_step(options, static_cast<uint64_t>(state_.options.train.seed), step, keys,
                            {present.get(), batch.documents.size()});

  std::vector<torch::Tensor> parts;
  auto encode = [&](const std::vector<uint32_t>& indices) {
    if (indices.empty()) return;
    std::vector<uint32_t> documents = pick(batch.documents, indices);
    TokenBatch texts = pack_documents(store_, documents, state_.special);
    torch::Tensor vectors = state_.model->encode_documents(texts);
    parts.push_back(vectors);
    metrics.tokens += texts.tokens.numel();
    if (!state_.bank) return;
    torch::Tensor constant = vectors.detach().contiguous();
    measure_staleness(documents, constant, metrics);
    documents_.write(documents, constant, step);
  };
  encode(plan.graph);
  {
    torch::NoGradGuard no_grad;
    encode(plan.forward_only);
  }
  if (!plan.stored.empty()) {
    std::vector<uint32_t> stored = pick(batch.documents, plan.stored);
    parts.push_back(documents_.gather(stored));
  }

  std::vector<int64_t> place(batch.documents.size());
  int64_t next = 0;
  for (const auto* list : {&plan.graph, &plan.forward_only, &plan.stored})
    for (uint32_t i : *list) place[i] = next++;
  metrics.documents = static_cast<int64_t>(batch.documents.size());
  metrics.encoded = static_cast<int64_t>(plan.graph.size() + plan.forward_only.size());
  metrics.backward = static_cast<int64_t>(plan.graph.size());
  if (state_.bank)
    metrics.target_coverage =
        static_cast<double>(num_present) / static_cast<double>(batch.documents.size());
  return torch::cat(parts).index_select(0, torch::tensor(place, torch::kInt64));
}

void TrainStep::measure_staleness(std::span<const uint32_t> documents, const torch::Tensor& vectors,
                                  StepMetrics& metrics) const {
  torch::NoGradGuard no_grad;
  std::vector<int32_t> rows = documents_.rows(documents);
  torch::Tensor cosines = torch::cosine_similarity(vectors, documents_.gather(documents), 1);
  const float* cosine = cosines.data_ptr<float>();
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i] != MemoryBank::kAbsent) sum += cosine[i], ++count;
  if (count == 0) return;
  metrics.staleness = (metrics.staleness * static_cast<double>(metrics.re_encoded) + sum) /
                      static_cast<double>(metrics.re_encoded + count);
  metrics.re_encoded += count;
}

void TrainStep::measure_ages(std::span<const uint32_t> documents, int64_t step,
                             StepMetrics& metrics) const {
  std::vector<int32_t> rows = documents_.rows(documents);
  rows.erase(std::remove(rows.begin(), rows.end(), MemoryBank::kAbsent), rows.end());
  if (rows.empty()) return;
  std::vector<int64_t> last(rows.size());
  state_.bank->ages(rows, last);
  std::sort(last.begin(), last.end(), std::greater<>());  // youngest first
  auto age_at = [&](double share) {
    return static_cast<double>(
        step - last[static_cast<size_t>(share * static_cast<double>(last.size() - 1))]);
  };
  metrics.age_median = age_at(0.5);
  metrics.age_p90 = age_at(0.9);
  metrics.age_max = age_at(1);
}

StepMetrics TrainStep::run(const Batch& batch, int64_t step, double rate) {
  StepMetrics metrics;
  const int64_t frozen = state_.options.train.freeze_encoder_steps;
  state_.model->freeze_pretrained(frozen < 0 || step <= frozen);
  state_.tables.admit(batch);
  torch::Tensor documents;
  if (state_.model->has_content()) documents = encode_targets(batch, step, metrics);

  BuiltInput built = builder_.build(
      batch,
      [&](std::span<const uint32_t> wanted) {
        StoredContent content{documents_.gather(wanted), std::vector<bool>(wanted.size())};
        for (size_t i = 0; i < wanted.size(); ++i)
          content.present[i] = documents_.contains(wanted[i]);
        return content;
      },
      /*training=*/true);
  built.input.documents = documents;
  if (state_.model->has_queries())
    built.input.queries = state_.model->encode_queries(
        pack_queries(store_, batch.queries, state_.options.model.query_max_tokens, state_.special));

  RankingOutput output = state_.model(built.input);
  RankingLosses losses = state_.model->losses(output, make_targets(batch, output.logits.size(1)));
  metrics.loss = losses.total.item<double>();
  metrics.cross_entropy = losses.cross_entropy.item<double>();
  if (losses.alignment.defined()) metrics.alignment = losses.alignment.item<double>();
  if (!std::isfinite(metrics.loss))
    fail<DataError>("train", "the loss is {} at step {}; lower train.learning_rate", metrics.loss,
                    step);

  optimizer_.zero_grad();
  losses.total.backward();
  const TrainOptions& options = state_.options.train;
  metrics.gradient_norm = optimizer_.clip(options.clip_norm);
  if (!std::isfinite(metrics.gradient_norm))
    fail<DataError>("train", "the gradient's norm is {} at step {}", metrics.gradient_norm, step);
  optimizer_.step(rate);
  state_.tables.apply(built.features, {.learning_rate = rate * options.table_learning_rate,
                                       .weight_decay = options.table_weight_decay});

  for (size_t h = 0; h < built.history_elements.size(); ++h) {
    auto elements = static_cast<double>(built.history_elements[h]);
    metrics.history_coverage.push_back(
        elements == 0 ? 1 : 1 - static_cast<double>(built.history_missing[h]) / elements);
  }
  if (state_.bank) measure_ages(built.history_documents, step, metrics);
  torch::Tensor scores = output.logits.detach().select(1, 0).sigmoid().contiguous();
  metrics.scores.assign(scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel());
  return metrics;
}

}  // namespace lemur
