#include "lemur/train/train_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"

namespace lemur {
namespace {

std::vector<uint32_t> pick(const std::vector<uint32_t>& documents,
                           const std::vector<uint32_t>& indices) {
  std::vector<uint32_t> picked;
  for (uint32_t i : indices) picked.push_back(documents[i]);
  return picked;
}

/// Adds the milliseconds since it was last asked, or made, to where the caller says.
class Stopwatch {
 public:
  void add_to(double& milliseconds) {
    const auto now = std::chrono::steady_clock::now();
    milliseconds += std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

double sum(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// Samples that may be anchors of SQDC.
double clicks(const Batch& batch) {
  const size_t labels = batch.labels.size() / std::max<size_t>(batch.size(), 1);
  double count = 0;
  for (size_t i = 0; i < batch.size(); ++i) count += batch.labels[i * labels] > 0.5F;
  return count;
}

int64_t sum(const Flops& flops) { return std::accumulate(flops.begin(), flops.end(), int64_t{0}); }

double share_of(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

TrainStep::TrainStep(const SampleStore& store, ModelState& state, DenseOptimizer& optimizer)
    : store_(store),
      state_(state),
      optimizer_(optimizer),
      builder_(store, state.model, state.tables),
      no_bank_(state.model->representation_width()),
      documents_(store, state.bank ? *state.bank : no_bank_, state.model->device()) {
  for (Encoder encoder : {state.model->document_encoder(), state.model->query_encoder()})
    if (!encoder.is_empty()) encoder->recompute(state.options.train.recompute);
  if (state.options.train.cuda_graphs && !state.model->device().is_cpu())
    state.model->record_launches();
}

/// Counts the batch's documents and how many of them the bank has.
void TrainStep::measure_targets(const Batch& batch, StepMetrics& metrics) const {
  metrics.documents = std::ssize(batch.documents);
  if (!state_.bank) return;
  const auto present = std::ranges::count_if(
      batch.documents, [&](uint32_t document) { return documents_.contains(document); });
  metrics.target_coverage =
      static_cast<double>(present) / static_cast<double>(batch.documents.size());
}

StepPlan TrainStep::plan(const Batch& batch, int64_t step) const {
  std::vector<uint64_t> keys;
  std::unique_ptr<bool[]> present(new bool[batch.documents.size()]);
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    keys.push_back(store_.document_keys()[batch.documents[i]]);
    present[i] = documents_.contains(batch.documents[i]);
  }
  BankOptions options = state_.options.bank;
  options.enabled = state_.bank != nullptr;
  return plan_step(options, static_cast<uint64_t>(state_.options.train.seed), step, keys,
                   {present.get(), batch.documents.size()});
}

/// Encodes documents and writes them into the bank.
torch::Tensor TrainStep::encode(std::span<const uint32_t> documents, int64_t step,
                                StepMetrics& metrics) {
  DocumentPacking packing = state_.packing();
  const TrainOptions& options = state_.options.train;
  packing.augmentation = {
      .flip = options.image_flip,
      .crop = options.image_crop,
      .seed = hash_combine(static_cast<uint64_t>(options.seed), static_cast<uint64_t>(step))};
  TokenBatch texts = pack_documents(store_, documents, packing);
  torch::Tensor vectors = state_.model->encode_documents(texts);
  metrics.tokens += texts.tokens.numel();
  if (!state_.bank) return vectors;
  const torch::Tensor constant = vectors.detach();
  measure_staleness(documents, constant, step, metrics);
  documents_.write(documents, constant, step);
  return vectors;
}

TrainStep::Targets TrainStep::encode_targets(const Batch& batch, int64_t step,
                                             StepMetrics& metrics) {
  StepPlan plan = this->plan(batch, step);
  const bool defers = defers_gradients(step);
  Targets targets;
  std::vector<torch::Tensor> parts;
  if (!plan.graph.empty()) {
    const std::vector<uint32_t> documents = pick(batch.documents, plan.graph);
    parts.push_back(encode(documents, step, metrics));
    if (defers)
      targets.owed =
          (parts[0] *
           state_.pending_gradients.take(documents_.rows(documents)).to(parts[0].device()))
              .sum();
  }
  if (!plan.forward_only.empty()) {
    torch::NoGradGuard no_grad;
    parts.push_back(encode(pick(batch.documents, plan.forward_only), step, metrics));
  }
  if (!plan.stored.empty()) parts.push_back(documents_.gather(pick(batch.documents, plan.stored)));

  std::vector<int64_t> place(batch.documents.size());
  int64_t next = 0;
  for (const auto* list : {&plan.graph, &plan.forward_only, &plan.stored})
    for (uint32_t i : *list) place[i] = next++;
  const int64_t encoded = std::ssize(plan.graph) + std::ssize(plan.forward_only);
  metrics.encoded += encoded;
  metrics.backward += std::ssize(plan.graph);
  targets.vectors = torch::cat(parts).index_select(
      0, torch::tensor(place, torch::kInt64).to(state_.model->device()));
  if (defers && targets.vectors.requires_grad())
    targets.vectors.retain_grad();
  else if (defers)
    targets.vectors.requires_grad_(true);
  targets.graph = std::move(plan.graph);
  targets.encoded = encoded;
  return targets;
}

bool TrainStep::encoders_frozen(int64_t step) const {
  const int64_t frozen = state_.options.train.freeze_encoder_steps;
  return frozen < 0 || step <= frozen;
}

bool TrainStep::defers_gradients(int64_t step) const {
  const BankOptions& options = state_.options.bank;
  return state_.bank && options.deferred_gradient && options.backward > 0 && options.backward < 1 &&
         !encoders_frozen(step);
}

/// Keeps the gradients of documents that were not encoded with one.
void TrainStep::defer_gradients(const Batch& batch, const Targets& targets) {
  const torch::Tensor& gradients = targets.vectors.grad();
  if (!gradients.defined()) return;  // no loss reaches the encoders
  std::vector<uint32_t> documents;
  std::vector<int64_t> rows;
  for (uint32_t i = 0; i < batch.documents.size(); ++i) {
    if (std::ranges::binary_search(targets.graph, i)) continue;
    documents.push_back(batch.documents[i]);
    rows.push_back(i);
  }
  state_.pending_gradients.add(documents_.rows(documents),
                               gradients.cpu().index_select(0, torch::tensor(rows, torch::kInt64)));
}

void TrainStep::refresh(std::span<const uint32_t> documents, int64_t encoded, int64_t step,
                        StepMetrics& metrics) {
  auto budget = static_cast<int64_t>(
      std::ceil(state_.options.bank.refresh_budget * static_cast<double>(encoded)));
  if (budget == 0) return;
  std::vector<uint32_t> chosen = plan_refresh(last_steps(documents), step, budget);
  for (uint32_t& document : chosen) document = documents[document];
  metrics.refreshed += std::ssize(chosen);
  if (chosen.empty()) return;
  torch::NoGradGuard no_grad;
  StepMetrics unused;  // staleness stays that of the targets, comparable between budgets
  encode(chosen, step, unused);
  metrics.tokens += unused.tokens;
}

StoredContent TrainStep::read_histories(std::span<const uint32_t> documents, const Batch& batch,
                                        const Targets& targets) const {
  StoredContent content{documents_.gather(documents), std::vector<bool>(documents.size())};
  for (size_t i = 0; i < documents.size(); ++i)
    content.present[i] = documents_.contains(documents[i]);
  if (!state_.options.bank.history_gradient || targets.graph.empty()) return content;

  std::vector<std::pair<uint32_t, int64_t>> fresh;  // document, row of the targets
  for (uint32_t i : targets.graph) fresh.emplace_back(batch.documents[i], i);
  std::sort(fresh.begin(), fresh.end());
  std::vector<int64_t> rows, of_target;
  for (size_t i = 0; i < documents.size(); ++i) {
    auto found = std::lower_bound(fresh.begin(), fresh.end(), std::pair(documents[i], int64_t{0}));
    if (found == fresh.end() || found->first != documents[i]) continue;
    rows.push_back(static_cast<int64_t>(i));
    of_target.push_back(found->second);
  }
  const auto index = [&](const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kInt64).to(state_.model->device());
  };
  content.vectors =
      content.vectors.index_copy(0, index(rows), targets.vectors.index_select(0, index(of_target)));
  return content;
}

/// Compares with what earlier steps wrote.
void TrainStep::measure_staleness(std::span<const uint32_t> documents, const torch::Tensor& vectors,
                                  int64_t step, StepMetrics& metrics) const {
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
std::vector<int64_t> TrainStep::last_steps(std::span<const uint32_t> documents) const {
  std::vector<int32_t> rows = documents_.rows(documents), present;
  for (int32_t row : rows)
    if (row != MemoryBank::kAbsent) present.push_back(row);
  std::vector<int64_t> written(present.size()), last;
  state_.bank->ages(present, written);
  auto next = written.begin();
  for (int32_t row : rows) last.push_back(row == MemoryBank::kAbsent ? kNeverWritten : *next++);
  return last;
}

void TrainStep::measure_ages(std::span<const uint32_t> documents, int64_t step,
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

/// Adds the gradients of a part of the batch.
void TrainStep::pass(const Batch& part, const LossShares& shares, int64_t step,
                     StepMetrics& metrics, Passed& passed) {
  StepTimes& times = metrics.times;
  Stopwatch watch;
  Targets targets;
  if (state_.model->has_content()) targets = encode_targets(part, step, metrics);
  torch::Tensor queries;
  if (state_.model->has_queries())
    queries = state_.model->encode_queries(
        pack_queries(store_, part.queries, state_.options.model.query_max_tokens, state_.special));
  watch.add_to(times.encode);

  BuiltInput built = builder_.build(
      part,
      [&](std::span<const uint32_t> documents) {
        watch.add_to(times.input);
        refresh(documents, targets.encoded, step, metrics);
        watch.add_to(times.encode);
        return read_histories(documents, part, targets);
      },
      /*training=*/true);
  built.input.documents = targets.vectors;
  built.input.queries = queries;
  watch.add_to(times.input);

  RankingOutput output = state_.model(built.input);
  RankingLosses losses =
      state_.model->losses(output, make_targets(part, output.logits.size(1)), shares);
  metrics.cross_entropy += losses.cross_entropy.item<double>();
  if (losses.alignment.defined()) metrics.alignment += losses.alignment.item<double>();
  if (losses.content_id.defined()) metrics.content_id += losses.content_id.item<double>();
  const double loss = losses.total.item<double>();
  metrics.loss += loss;
  watch.add_to(times.rank);
  if (!std::isfinite(loss))
    fail<DataError>("train", "the loss is {} at step {}; lower train.learning_rate", loss, step);
  const int64_t forward = sum(counted_flops());
  (targets.owed.defined() ? losses.total + targets.owed : losses.total).backward();
  if (targets.vectors.defined() && defers_gradients(step)) defer_gradients(part, targets);
  metrics.flops_backward += sum(counted_flops()) - forward;
  watch.add_to(times.backward);

  torch::Tensor scores = output.logits.detach().select(1, 0).sigmoid().cpu().contiguous();
  metrics.scores.insert(metrics.scores.end(), scores.data_ptr<float>(),
                        scores.data_ptr<float>() + scores.numel());
  passed.features.push_back(std::move(built.features));
  passed.history_documents.insert(passed.history_documents.end(), built.history_documents.begin(),
                                  built.history_documents.end());
  passed.elements.resize(built.history_elements.size());
  passed.missing.resize(built.history_elements.size());
  for (size_t h = 0; h < built.history_elements.size(); ++h) {
    passed.elements[h] += built.history_elements[h];
    passed.missing[h] += built.history_missing[h];
  }
}

/// Whether lemur's own loops compute all products of a step.
bool TrainStep::counts_flops() const {
  const RankingModel& model = state_.model;
  if (!model->device().is_cpu()) return false;
  if (!model->has_content() && !model->has_queries()) return true;
  return state_.options.model.encoder_dropout == 0 && model->document_bert().is_empty() &&
         model->query_bert().is_empty();
}

StepMetrics TrainStep::run(const Batch& batch, int64_t step, double rate) {
  const TrainOptions& options = state_.options.train;
  StepMetrics metrics;
  const Flops before = counted_flops();
  Stopwatch watch;
  state_.model->freeze_encoders(encoders_frozen(step));
  state_.tables.admit(batch);
  if (state_.model->has_content()) measure_targets(batch, metrics);
  optimizer_.zero_grad();
  watch.add_to(metrics.times.update);

  Passed passed;
  const auto part_size = static_cast<size_t>(options.micro_batch_size);
  if (part_size == 0 || part_size >= batch.size()) {
    pass(batch, {}, step, metrics, passed);
  } else {
    const double weights = sum(batch.weights), anchors = clicks(batch);
    const std::span<const uint64_t> events = batch.events;
    for (size_t begin = 0; begin < batch.size(); begin += part_size) {
      const Batch part =
          make_batch(store_, events.subspan(begin, std::min(part_size, batch.size() - begin)));
      pass(part, {share_of(sum(part.weights), weights), share_of(clicks(part), anchors)}, step,
           metrics, passed);
    }
  }

  watch = Stopwatch();
  metrics.gradient_norm = optimizer_.clip(options.clip_norm);
  if (!std::isfinite(metrics.gradient_norm))
    fail<DataError>("train", "the gradient's norm is {} at step {}", metrics.gradient_norm, step);
  optimizer_.step(rate);
  if (options.average_decay > 0) state_.tables.advance_averages(optimizer_.average_decay());
  state_.tables.apply(passed.features, {.learning_rate = rate * options.table_learning_rate,
                                        .weight_decay = options.table_weight_decay});
  watch.add_to(metrics.times.update);

  for (size_t h = 0; h < passed.elements.size(); ++h)
    metrics.history_coverage.push_back(passed.elements[h] == 0
                                           ? 1
                                           : 1 - static_cast<double>(passed.missing[h]) /
                                                     static_cast<double>(passed.elements[h]));
  if (state_.bank) {
    std::vector<uint32_t>& read = passed.history_documents;
    if (passed.features.size() > 1) {
      std::sort(read.begin(), read.end());
      read.erase(std::unique(read.begin(), read.end()), read.end());
    }
    measure_ages(read, step, metrics);
  }
  if (!counts_flops()) {
    metrics.flops_backward = 0;
    return metrics;
  }
  metrics.flops = counted_flops();
  for (size_t part = 0; part < kNumFlopParts; ++part) metrics.flops[part] -= before[part];
  return metrics;
}

}  // namespace lemur
