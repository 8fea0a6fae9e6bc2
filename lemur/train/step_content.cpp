#include "lemur/train/step_content.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "lemur/base/hash.h"
#include "lemur/data/training_counts.h"

namespace lemur {
namespace {

std::vector<uint32_t> pick(const std::vector<uint32_t>& documents,
                           std::span<const uint32_t> indices) {
  std::vector<uint32_t> picked;
  for (uint32_t i : indices) picked.push_back(documents[i]);
  return picked;
}

torch::Tensor places(std::span<const uint32_t> indices, torch::Device device) {
  return torch::tensor(std::vector<int64_t>(indices.begin(), indices.end()), torch::kInt64)
      .to(device);
}

/// Calls `work` with the items, no more than `size` at a time; 0: all at once.
template <typename Work>
void in_parts(std::span<const uint32_t> items, size_t size, Work&& work) {
  if (size == 0) size = items.size();
  for (size_t begin = 0; begin < items.size(); begin += size)
    work(items.subspan(begin, std::min(size, items.size() - begin)));
}

bool is_finite(const torch::Tensor& gradients) {
  return std::isfinite(gradients.square().sum().item<float>());
}

}  // namespace

StepContent::StepContent(const SampleStore& store, ModelState& state)
    : store_(store),
      state_(state),
      no_bank_(state.model->representation_width()),
      documents_(store, state.bank ? *state.bank : no_bank_, state.model->device()) {}

/// Counts the batch's documents and how many of them the bank has.
void StepContent::measure_targets(const Batch& batch, StepMetrics& metrics) const {
  metrics.documents = std::ssize(batch.documents);
  if (!state_.bank) return;
  const auto present = std::ranges::count_if(
      batch.documents, [&](uint32_t document) { return documents_.contains(document); });
  metrics.target_coverage =
      static_cast<double>(present) / static_cast<double>(batch.documents.size());
}

StepPlan StepContent::plan(const Batch& batch, int64_t step) const {
  std::vector<uint64_t> keys;
  std::unique_ptr<bool[]> present(new bool[batch.documents.size()]);
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    keys.push_back(store_.document_keys()[batch.documents[i]]);
    present[i] = documents_.contains(batch.documents[i]);
  }
  std::unique_ptr<bool[]> clicked(new bool[batch.documents.size()]());
  const size_t num_labels = batch.labels.size() / batch.size();
  for (size_t b = 0; b < batch.size(); ++b)
    if (batch.labels[b * num_labels] > 0.5F) clicked[batch.document_of[b]] = true;
  BankOptions options = state_.options.bank;
  options.enabled = state_.bank != nullptr;
  options.encode_clicked = options.encode_clicked && !encoders_frozen(step);
  return plan_step(options, static_cast<uint64_t>(state_.options.train.seed), step, keys,
                   {present.get(), batch.documents.size()},
                   {clicked.get(), batch.documents.size()});
}

torch::Tensor StepContent::represent(std::span<const uint32_t> documents, int64_t step,
                                     int64_t& tokens) const {
  DocumentPacking packing = state_.packing();
  const TrainOptions& options = state_.options.train;
  packing.augmentation = {
      .flip = options.image_flip,
      .crop = options.image_crop,
      .seed = hash_combine(static_cast<uint64_t>(options.seed), static_cast<uint64_t>(step))};
  const TokenBatch texts = pack_documents(store_, documents, packing);
  tokens += texts.tokens.numel();
  return state_.model->encode_documents(texts);
}

torch::Tensor StepContent::represent_queries(std::span<const uint32_t> queries) const {
  return state_.model->encode_queries(
      pack_queries(store_, queries, state_.options.model.query_max_tokens, state_.special));
}

/// Encodes documents and writes them into the bank.
torch::Tensor StepContent::encode_documents(std::span<const uint32_t> documents, int64_t step,
                                            StepMetrics& metrics) {
  torch::Tensor vectors = represent(documents, step, metrics.tokens);
  if (!state_.bank) return vectors;
  const torch::Tensor constant = vectors.detach();
  measure_staleness(documents, constant, step, metrics);
  documents_.write(documents, constant, step);
  return vectors;
}

void StepContent::encode(const Batch& batch, int64_t step, size_t part_size, StepMetrics& metrics,
                         BatchContent& content) {
  if (state_.model->has_content()) {
    measure_targets(batch, metrics);
    encode_targets(batch, step, part_size, metrics, content);
  }
  if (!state_.model->has_queries()) return;
  if (part_size == 0 || batch.queries.empty()) {
    content.queries = represent_queries(batch.queries);
    return;
  }
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  in_parts(batch.queries, part_size,
           [&](std::span<const uint32_t> queries) { parts.push_back(represent_queries(queries)); });
  content.queries = torch::cat(parts).requires_grad_(true);
}

void StepContent::encode_targets(const Batch& batch, int64_t step, size_t part_size,
                                 StepMetrics& metrics, BatchContent& content) {
  const StepPlan plan = this->plan(batch, step);
  std::vector<torch::Tensor> parts;
  const auto encode = [&](const std::vector<uint32_t>& list, bool with_graph) {
    const torch::AutoGradMode graph(with_graph && part_size == 0);
    in_parts(list, part_size, [&](std::span<const uint32_t> some) {
      parts.push_back(encode_documents(pick(batch.documents, some), step, metrics));
    });
  };
  const bool defers = defers_gradients(step);
  content.graph = plan.graph;
  encode(plan.graph, true);
  if (defers)
    content.owed =
        state_.pending_gradients.take(documents_.rows(pick(batch.documents, plan.graph)));
  encode(plan.forward_only, false);
  if (!plan.stored.empty()) parts.push_back(documents_.gather(pick(batch.documents, plan.stored)));

  std::vector<uint32_t> place(batch.documents.size());
  uint32_t next = 0;
  for (const auto* list : {&plan.graph, &plan.forward_only, &plan.stored})
    for (uint32_t i : *list) place[i] = next++;
  content.encoded = std::ssize(plan.graph) + std::ssize(plan.forward_only);
  metrics.encoded += content.encoded;
  metrics.backward += std::ssize(plan.graph);
  content.documents = torch::cat(parts).index_select(0, places(place, state_.model->device()));
  if (!content.documents.requires_grad())
    content.documents.requires_grad_(part_size > 0 || defers);
  else if (defers)
    content.documents.retain_grad();
}

bool StepContent::encoders_frozen(int64_t step) const {
  const int64_t frozen = state_.options.train.freeze_encoder_steps;
  return frozen < 0 || step <= frozen;
}

bool StepContent::defers_gradients(int64_t step) const {
  const BankOptions& options = state_.options.bank;
  return state_.bank && options.deferred_gradient && options.backward > 0 && options.backward < 1 &&
         !encoders_frozen(step);
}

/// Returns how many documents a step refreshes that encodes so many targets.
int64_t StepContent::refresh_budget(double encoded) const {
  return static_cast<int64_t>(std::ceil(state_.options.bank.refresh_budget * encoded));
}

void StepContent::encode_refreshed(std::span<const uint32_t> documents, int64_t step,
                                   size_t part_size, StepMetrics& metrics) {
  metrics.refreshed += std::ssize(documents);
  torch::NoGradGuard no_grad;
  StepMetrics unused;  // staleness stays that of the targets, comparable between budgets
  in_parts(documents, part_size,
           [&](std::span<const uint32_t> some) { encode_documents(some, step, unused); });
  metrics.tokens += unused.tokens;
}

void StepContent::refresh_expected(int64_t encoded, int64_t step, size_t part_size,
                                   StepMetrics& metrics) {
  if (state_.options.bank.refresh != "expected" || !state_.bank) return;
  const int64_t budget = refresh_budget(static_cast<double>(encoded));
  if (budget == 0) return;
  if (!expected_) expected_.emplace(count_reads(store_));
  const std::vector<uint32_t> candidates =
      expected_->candidates(static_cast<uint64_t>(state_.options.train.seed), step, budget);
  encode_refreshed(expected_->choose(candidates, last_steps(candidates), step, budget), step,
                   part_size, metrics);
}

void StepContent::refresh_histories(std::span<const uint32_t> documents, double encoded,
                                    int64_t step, StepMetrics& metrics) {
  if (state_.options.bank.refresh != "oldest") return;
  const int64_t budget = refresh_budget(encoded);
  if (budget == 0) return;
  std::vector<uint32_t> chosen = plan_refresh(last_steps(documents), step, budget);
  for (uint32_t& document : chosen) document = documents[document];
  encode_refreshed(chosen, step, /*part_size=*/0, metrics);
}

StoredContent StepContent::read_histories(std::span<const uint32_t> documents, const Batch& batch,
                                          const BatchContent& content) const {
  StoredContent stored{documents_.gather(documents), std::vector<bool>(documents.size())};
  for (size_t i = 0; i < documents.size(); ++i)
    stored.present[i] = documents_.contains(documents[i]);
  if (!state_.options.bank.history_gradient || content.graph.empty()) return stored;

  std::vector<std::pair<uint32_t, uint32_t>> fresh;  // document, its place among the targets
  for (uint32_t i : content.graph) fresh.emplace_back(batch.documents[i], i);
  std::sort(fresh.begin(), fresh.end());
  std::vector<uint32_t> rows, of_target;
  for (uint32_t i = 0; i < documents.size(); ++i) {
    auto found = std::lower_bound(fresh.begin(), fresh.end(), std::pair(documents[i], 0U));
    if (found == fresh.end() || found->first != documents[i]) continue;
    rows.push_back(i);
    of_target.push_back(found->second);
  }
  const torch::Device device = state_.model->device();
  stored.vectors = stored.vectors.index_copy(
      0, places(rows, device), content.documents.index_select(0, places(of_target, device)));
  return stored;
}

torch::Tensor StepContent::owed_loss(const BatchContent& content) const {
  if (!content.owed.defined() || content.graph.empty()) return {};
  const torch::Device device = content.documents.device();
  return (content.documents.index_select(0, places(content.graph, device)) *
          content.owed.to(device))
      .sum();
}

void StepContent::backward(const Batch& batch, const BatchContent& content, int64_t step,
                           size_t part_size) {
  const auto carry = [&](const torch::Tensor& leaf, std::span<const uint32_t> all,
                         const auto& represent_some) {
    if (!leaf.defined() || !leaf.grad().defined()) return;
    in_parts(all, part_size, [&](std::span<const uint32_t> some) {
      const torch::Tensor vectors = represent_some(some);
      if (vectors.requires_grad())
        vectors.backward(leaf.grad().index_select(0, places(some, leaf.device())));
    });
  };
  int64_t counted_before = 0;
  carry(content.documents, content.graph, [&](std::span<const uint32_t> some) {
    return represent(pick(batch.documents, some), step, counted_before);
  });
  std::vector<uint32_t> queries(batch.queries.size());
  std::iota(queries.begin(), queries.end(), 0);
  carry(content.queries, queries, [&](std::span<const uint32_t> some) {
    return represent_queries(pick(batch.queries, some));
  });
}

bool StepContent::waiting_is_finite(const BatchContent& content, int64_t step) const {
  return !defers_gradients(step) || !content.documents.defined() ||
         !content.documents.grad().defined() || is_finite(content.documents.grad());
}

void StepContent::commit(const Batch& batch, const BatchContent& content, int64_t step) {
  if (!content.documents.defined() || !defers_gradients(step)) return;
  const torch::Tensor& gradients = content.documents.grad();
  if (!gradients.defined()) return;  // no loss reaches the encoders
  std::vector<uint32_t> others;
  for (uint32_t i = 0; i < batch.documents.size(); ++i)
    if (!std::ranges::binary_search(content.graph, i)) others.push_back(i);
  state_.pending_gradients.add(documents_.rows(pick(batch.documents, others)),
                               gradients.cpu().index_select(0, places(others, torch::kCPU)));
}

void StepContent::undo(const Batch& batch, const BatchContent& content) {
  documents_.undo_step();
  if (!content.owed.defined()) return;
  // Nothing waited for documents that the bank lacked.
  const std::vector<int32_t> rows = documents_.rows(pick(batch.documents, content.graph));
  std::vector<int32_t> present;
  std::vector<uint32_t> owed;
  for (uint32_t i = 0; i < rows.size(); ++i)
    if (rows[i] != MemoryBank::kAbsent) present.push_back(rows[i]), owed.push_back(i);
  state_.pending_gradients.add(present, content.owed.index_select(0, places(owed, torch::kCPU)));
}

/// Compares with what earlier steps wrote.
void StepContent::measure_staleness(std::span<const uint32_t> documents,
                                    const torch::Tensor& vectors, int64_t step,
                                    StepMetrics& metrics) const {
  torch::NoGradGuard no_grad;
  const std::vector<int64_t> last = last_steps(documents);
  torch::Tensor cosines = torch::cosine_similarity(vectors, documents_.gather(documents), 1).cpu();
  const float* cosine = cosines.data_ptr<float>();
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < last.size(); ++i)
    if (last[i] != kNeverWritten && last[i] != step) sum += cosine[i], ++count;
  if (count == 0) return;
  metrics.staleness = (metrics.staleness * static_cast<double>(metrics.re_encoded) + sum) /
                      static_cast<double>(metrics.re_encoded + count);
  metrics.re_encoded += count;
}

/// Returns the step of each document's last write, kNeverWritten where the bank lacks it.
std::vector<int64_t> StepContent::last_steps(std::span<const uint32_t> documents) const {
  std::vector<int32_t> rows = documents_.rows(documents), present;
  for (int32_t row : rows)
    if (row != MemoryBank::kAbsent) present.push_back(row);
  std::vector<int64_t> written(present.size()), last;
  state_.bank->ages(present, written);
  auto next = written.begin();
  for (int32_t row : rows) last.push_back(row == MemoryBank::kAbsent ? kNeverWritten : *next++);
  return last;
}

void StepContent::measure_ages(std::span<const uint32_t> documents, int64_t step,
                               StepMetrics& metrics) const {
  std::vector<int64_t> last = last_steps(documents);
  std::erase(last, kNeverWritten);
  if (last.empty()) return;
  std::sort(last.begin(), last.end(), std::greater<>());  // youngest first
  auto age_at = [&](double share) {
    return static_cast<double>(
        step - last[static_cast<size_t>(share * static_cast<double>(last.size() - 1))]);
  };
  metrics.age_mean = static_cast<double>(step) - std::accumulate(last.begin(), last.end(), 0.0) /
                                                     static_cast<double>(last.size());
  metrics.age_median = age_at(0.5);
  metrics.age_p90 = age_at(0.9);
  metrics.age_max = age_at(1);
}

}  // namespace lemur
