#include "lemur/train/train_step.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "lemur/base/error.h"
#include "lemur/model/int64_tensor.h"

namespace lemur {
namespace {

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

/// Sums of a batch's weights, as the losses of the first and of the other labels count them.
struct Weights {
  double first = 0, others = 0;
};

Weights weights_of(const Batch& batch) {
  Weights sums;
  const size_t num_labels = batch.labels.size() / batch.size();
  for (size_t b = 0; b < batch.size(); ++b) {
    const bool drawn = !batch.log_odds_shift.empty() && batch.labels[b * num_labels] <= 0.5F;
    sums.first += batch.weights[b];
    sums.others += batch.weights[b] * (drawn ? std::exp(batch.log_odds_shift[b]) : 1);
  }
  return sums;
}

int64_t sum(const Flops& flops) { return std::accumulate(flops.begin(), flops.end(), int64_t{0}); }

double without_sign_of_nan(double value) { return std::isnan(value) ? std::fabs(value) : value; }

/// Returns, for each of a part's `count` distinct texts, its place among the batch's.
template <typename Index>
torch::Tensor places_in_batch(const std::vector<Index>& of_batch, size_t begin,
                              const std::vector<Index>& of_part, size_t count) {
  std::vector<int64_t> places(count);
  for (size_t b = 0; b < of_part.size(); ++b)
    if (of_part[b] != static_cast<Index>(-1))
      places[static_cast<size_t>(of_part[b])] = static_cast<int64_t>(of_batch[begin + b]);
  return int64_tensor(places);
}

}  // namespace

TrainStep::TrainStep(const SampleStore& store, ModelState& state, DenseOptimizer& optimizer)
    : store_(store),
      state_(state),
      optimizer_(optimizer),
      builder_(store, state.model, state.tables),
      content_(store, state) {
  const Options& options = state.options;
  if (options.train.micro_batch_size > 0 && options.model.encoder_dropout > 0)
    fail<InvalidArgument>("train",
                          "train.micro_batch_size = {} encodes texts twice, which must come out "
                          "the same: not with model.encoder_dropout = {}",
                          options.train.micro_batch_size, options.model.encoder_dropout);
  for (Encoder encoder : {state.model->document_encoder(), state.model->query_encoder()})
    if (!encoder.is_empty()) encoder->recompute(options.train.recompute);
  if (options.train.cuda_graphs && !state.model->device().is_cpu()) state.model->record_launches();
}

/// 0: the batch passes as a whole.
size_t TrainStep::part_size(const Batch& batch) const {
  const auto size = static_cast<size_t>(state_.options.train.micro_batch_size);
  return size < batch.size() ? size : 0;
}

/// Gives a part the representations of its documents and queries.
void TrainStep::place_content(const Batch& batch, const Part& part, const BatchContent& content,
                              RankingInput& input) const {
  input.documents = content.documents;
  input.queries = content.queries;
  if (part_size(batch) == 0) return;
  const torch::Device device = state_.model->device();
  if (content.documents.defined())
    input.documents = content.documents.index_select(
        0, places_in_batch(batch.document_of, part.begin, part.batch.document_of,
                           part.batch.documents.size())
               .to(device));
  if (content.queries.defined())
    input.queries = content.queries.index_select(
        0,
        places_in_batch(batch.query_of, part.begin, part.batch.query_of, part.batch.queries.size())
            .to(device));
}

void TrainStep::add_backward(const torch::Tensor& loss, StepMetrics& metrics) const {
  if (!loss.requires_grad()) return;  // nothing is trained by it
  Stopwatch watch;
  const int64_t forward = sum(counted_flops());
  loss.backward();
  metrics.flops_backward += sum(counted_flops()) - forward;
  watch.add_to(metrics.times.backward);
}

void TrainStep::note_histories(BuiltInput& built, Passed& passed) const {
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

/// Adds the gradients of a part of the batch.
void TrainStep::pass(const Batch& batch, const Part& part, int64_t step, StepMetrics& metrics,
                     Passed& passed) {
  StepTimes& times = metrics.times;
  Stopwatch watch;
  const bool is_whole = part_size(batch) == 0;
  BuiltInput built = builder_.build(
      part.batch,
      [&](std::span<const uint32_t> documents) {
        watch.add_to(times.input);
        const double rows_share =
            static_cast<double>(part.batch.size()) / static_cast<double>(batch.size());
        content_.refresh_histories(
            documents, static_cast<double>(passed.content.encoded) * rows_share, step, metrics);
        watch.add_to(times.encode);
        return content_.read_histories(documents, batch, passed.content);
      },
      /*training=*/true);
  place_content(batch, part, passed.content, built.input);
  watch.add_to(times.input);

  RankingOutput output = state_.model(built.input);
  RankingLosses losses =
      state_.model->losses(output, make_targets(part.batch, output.logits.size(1)), part.shares);
  metrics.cross_entropy += losses.cross_entropy.item<double>();
  if (losses.alignment.defined()) metrics.alignment += losses.alignment.item<double>();
  if (losses.content_id.defined()) metrics.content_id += losses.content_id.item<double>();
  metrics.loss += losses.total.item<double>();
  torch::Tensor scores = output.logits.detach().select(1, 0).sigmoid().cpu().contiguous();
  metrics.scores.insert(metrics.scores.end(), scores.data_ptr<float>(),
                        scores.data_ptr<float>() + scores.numel());
  note_histories(built, passed);
  passed.anchors.push_back(output.anchors);
  passed.masks.push_back(output.anchor_mask);
  watch.add_to(times.rank);
  if (!std::isfinite(metrics.loss)) {
    metrics.fault = fmt::format("the loss is {}", without_sign_of_nan(metrics.loss));
    return;
  }
  const torch::Tensor owed = is_whole ? content_.owed_loss(passed.content) : torch::Tensor();
  add_backward(owed.defined() ? losses.total + owed : losses.total, metrics);
}

/// SQDC over the samples of all parts, from the leaves that they share.
torch::Tensor TrainStep::alignment_of_batch(const Batch& batch, const Passed& passed) const {
  const RankingModel& model = state_.model;
  if (!model->has_alignment() || !passed.content.documents.defined()) return {};
  const torch::Device device = model->device();
  RankingOutput output;
  if (model->has_queries()) {
    const torch::Tensor query_of = int64_tensor(batch.query_of).to(device);
    output.anchors = model->query_anchors(passed.content.queries, query_of);
    output.anchor_mask = query_of >= 0;
  } else {
    output.anchors = torch::cat(passed.anchors);
    output.anchor_mask = torch::cat(passed.masks);
  }
  output.sample_documents =
      passed.content.documents.index_select(0, int64_tensor(batch.document_of).to(device));
  const auto num_labels = static_cast<int64_t>(batch.labels.size() / batch.size());
  return model->alignment(output, make_targets(batch, num_labels));
}

/// Adds the gradients of what concerns all parts, then those of the encoders.
void TrainStep::finish_parts(const Batch& batch, int64_t step, StepMetrics& metrics,
                             Passed& passed) {
  torch::Tensor loss = content_.owed_loss(passed.content);
  if (const torch::Tensor alignment = alignment_of_batch(batch, passed); alignment.defined()) {
    const double weight = state_.options.model.alignment_weight;
    metrics.alignment = alignment.item<double>();
    metrics.loss += weight * metrics.alignment;
    loss = loss.defined() ? loss + weight * alignment : weight * alignment;
  }
  if (!std::isfinite(metrics.loss)) {
    metrics.fault = fmt::format("the loss is {}", without_sign_of_nan(metrics.loss));
    return;
  }
  if (loss.defined()) add_backward(loss, metrics);
  Stopwatch watch;
  const int64_t before = sum(counted_flops());
  content_.backward(batch, passed.content, step, part_size(batch));
  metrics.flops_backward += sum(counted_flops()) - before;
  watch.add_to(metrics.times.backward);
}

void TrainStep::pass_batch(const Batch& batch, int64_t step, StepMetrics& metrics, Passed& passed) {
  const size_t size = part_size(batch);
  Stopwatch watch;
  content_.encode(batch, step, size, metrics, passed.content);
  content_.refresh_expected(passed.content.encoded, step, size, metrics);
  watch.add_to(metrics.times.encode);
  if (size == 0) return pass(batch, {batch}, step, metrics, passed);
  const Weights all = weights_of(batch);
  const std::span<const uint64_t> events = batch.events;
  for (size_t begin = 0; begin < batch.size() && metrics.fault.empty(); begin += size) {
    const size_t count = std::min(size, batch.size() - begin);
    Batch part = make_batch(store_, events.subspan(begin, count));
    if (!batch.log_odds_shift.empty()) {
      const auto shifts = batch.log_odds_shift.begin() + static_cast<ptrdiff_t>(begin);
      part.log_odds_shift.assign(shifts, shifts + static_cast<ptrdiff_t>(count));
    }
    const Weights some = weights_of(part);
    pass(batch,
         {part,
          begin,
          {.cross_entropy = all.first > 0 ? some.first / all.first : 0,
           .other_labels = all.others > 0 ? some.others / all.others : 0,
           .alignment = false}},
         step, metrics, passed);
  }
  if (metrics.fault.empty()) finish_parts(batch, step, metrics, passed);
}

/// Clips the dense gradient, and names the first gradient that cannot be applied.
void TrainStep::check_gradients(const Passed& passed, int64_t step, StepMetrics& metrics) {
  metrics.gradient_norm = optimizer_.clip(state_.options.train.clip_norm);
  // AdamW and Adagrad square gradients in float32.
  if (!std::isfinite(static_cast<float>(metrics.gradient_norm * metrics.gradient_norm)))
    metrics.fault =
        fmt::format("the gradient's norm is {}", without_sign_of_nan(metrics.gradient_norm));
  else if (const auto feature = FeatureTables::find_unfit(passed.features))
    metrics.fault = fmt::format("the gradient of the table of '{}' is no finite number",
                                state_.schema.features[*feature].name);
  else if (!content_.waiting_is_finite(passed.content, step))
    metrics.fault = "a representation's gradient is no finite number";
}

void TrainStep::update(const Batch& batch, const Passed& passed, int64_t step, double rate) {
  const TrainOptions& options = state_.options.train;
  optimizer_.step(rate);
  if (options.average_decay > 0) state_.tables.advance_averages(optimizer_.average_decay());
  state_.tables.apply(passed.features, {.learning_rate = rate * options.table_learning_rate,
                                        .weight_decay = options.table_weight_decay});
  content_.commit(batch, passed.content, step);
}

void TrainStep::measure_histories(Passed& passed, int64_t step, StepMetrics& metrics) const {
  for (size_t h = 0; h < passed.elements.size(); ++h)
    metrics.history_coverage.push_back(passed.elements[h] == 0
                                           ? 1
                                           : 1 - static_cast<double>(passed.missing[h]) /
                                                     static_cast<double>(passed.elements[h]));
  if (!state_.bank) return;
  std::vector<uint32_t>& read = passed.history_documents;
  if (passed.features.size() > 1) {
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
  }
  content_.measure_ages(read, step, metrics);
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
  StepMetrics metrics;
  if (batch.size() == 0) return metrics;
  const Flops before = counted_flops();
  Stopwatch watch;
  state_.model->freeze_encoders(content_.encoders_frozen(step));
  content_.begin();
  state_.tables.admit(batch);
  optimizer_.zero_grad();
  watch.add_to(metrics.times.update);

  Passed passed;
  try {
    pass_batch(batch, step, metrics, passed);
  } catch (const UnstorableVector& error) {
    metrics.fault = error.what();
  }
  watch = Stopwatch();
  if (metrics.fault.empty()) check_gradients(passed, step, metrics);
  if (metrics.fault.empty()) {
    update(batch, passed, step, rate);
  } else {
    state_.tables.undo_admission();
    content_.undo(batch, passed.content);
  }
  watch.add_to(metrics.times.update);
  measure_histories(passed, step, metrics);
  if (!counts_flops()) {
    metrics.flops_backward = 0;
    return metrics;
  }
  metrics.flops = counted_flops();
  for (size_t part = 0; part < kNumFlopParts; ++part) metrics.flops[part] -= before[part];
  return metrics;
}

}  // namespace lemur
