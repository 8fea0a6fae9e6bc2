#include "lemur/eval/evaluator.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "lemur/base/error.h"
#include "lemur/data/batch_loader.h"
#include "lemur/eval/content_cache.h"
#include "lemur/model/input_builder.h"
#include "lemur/nn/unit_rows.h"

namespace lemur {
namespace {

constexpr int64_t kMsPerHour = 3'600'000, kMsPerDay = 24 * kMsPerHour;

/// Mean SQDC over the anchors of batches.
class AlignmentMean {
 public:
  void add(RankingModel& model, const RankingOutput& output, const Batch& batch) {
    const RankingTargets targets = make_targets(batch, output.logits.size(1));
    const torch::Tensor anchors = (targets.labels.select(1, 0) > 0.5) & output.anchor_mask.cpu();
    const auto count = static_cast<double>(anchors.sum().item<int64_t>());
    if (count == 0) return;
    sum_ += count * model->losses(output, targets).alignment.item<double>();
    count_ += count;
  }
  std::optional<double> value() const {
    return count_ > 0 ? std::optional(sum_ / count_) : std::nullopt;
  }

 private:
  double sum_ = 0, count_ = 0;
};

/// Ranks by the cosine of query and document alone.
class CosineRanking {
 public:
  void add(const RankingOutput& output, const Batch& batch) {
    const torch::Tensor anchors = unit_rows(output.anchors),
                        documents = unit_rows(output.sample_documents);
    const torch::Tensor own = (anchors * documents).sum(1).cpu().contiguous(),
                        other = (anchors * documents.roll(batch.size() / 2, 0)).sum(1).cpu(),
                        mask = output.anchor_mask.cpu().contiguous();
    const size_t num_labels = batch.labels.size() / batch.size();
    for (size_t b = 0; b < batch.size(); ++b) {
      const float cosine = own.data_ptr<float>()[b];
      const bool is_asked = mask.data_ptr<bool>()[b];
      // Rows without a query are tied.
      scores_.push_back(is_asked ? std::clamp((1 + cosine) / 2, 0.0F, 1.0F) : 0.5F);
      if (!is_asked || batch.labels[b * num_labels] <= 0.5F) continue;
      clicked_ += cosine, other_ += other[static_cast<int64_t>(b)].item<float>(), ++count_;
    }
  }

  std::optional<Evaluation::OfContent> finish(ScoredRows rows) const {
    if (count_ == 0) return std::nullopt;
    rows.scores = scores_;
    const Metrics metrics = compute_metrics(rows);
    const double clicked = clicked_ / count_;
    return Evaluation::OfContent{metrics.qauc, metrics.mrr, clicked, other_ / count_,
                                 2 - 2 * clicked};
  }

 private:
  std::vector<float> scores_;
  double clicked_ = 0, other_ = 0, count_ = 0;
};

/// Throws DataError naming the first event of the batch whose score is no number.
void check_finite(const SampleStore& store, const Batch& batch, std::span<const float> scores) {
  for (size_t i = 0; i < batch.size(); ++i)
    if (!std::isfinite(scores[i]))
      fail<DataError>("evaluate",
                      "the score of row {} of the events (user '{}', document '{}') is no number",
                      store.rows()[batch.events[i]], store.user_id(batch.users[i]),
                      store.document_id(batch.documents[batch.document_of[i]]));
}

/// Returns the index of the first bound that `value` does not exceed, the number of bounds where it
/// exceeds all.
uint16_t bucket(int64_t value, std::span<const int64_t> bounds) {
  return static_cast<uint16_t>(std::lower_bound(bounds.begin(), bounds.end(), value) -
                               bounds.begin());
}

}  // namespace

ScoredRows scored_rows(const SampleStore& store, const StoreSchema::Split& split,
                       const std::vector<float>& scores, std::vector<float>& labels,
                       std::vector<uint64_t>& users) {
  size_t begin = split.begin, rows = split.end - split.begin;
  auto raw_labels = store.labels(0).subspan(begin, rows);
  auto raw_users = store.users().subspan(begin, rows);
  labels.assign(raw_labels.begin(), raw_labels.end());
  users.assign(raw_users.begin(), raw_users.end());
  return {.scores = scores,
          .labels = labels,
          .weights = store.weights().subspan(begin, rows),
          .requests = store.requests().subspan(begin, rows),
          .users = users};
}

Evaluator::Evaluator(const SampleStore& store, ModelState& state, int64_t batch_size)
    : store_(store), state_(state), batch_size_(batch_size) {}

Evaluation Evaluator::run(const std::string& split_name,
                          const std::function<void(int64_t, int64_t)>& progress) {
  const auto& split = store_.schema().split(split_name);
  torch::NoGradGuard no_grad;
  bool was_training = state_.model->is_training();
  state_.model->eval();
  state_.model->keep_anchors(state_.model->has_alignment());
  AlignmentMean alignment;
  CosineRanking by_cosine;
  ContentCache cache(store_, state_);
  InputBuilder builder(store_, state_.model, state_.tables);
  BatchLoader loader(store_, {.split = split_name, .batch_size = batch_size_});

  Evaluation evaluation;
  auto rows = static_cast<int64_t>(split.end - split.begin);
  evaluation.scores.reserve(static_cast<size_t>(rows));
  if (state_.bank) evaluation.cold_rows = 0;
  while (auto batch = loader.next()) {
    auto source = [&](std::span<const uint32_t> documents) { return cache.documents(documents); };
    RankingInput input = builder.build(*batch, source, /*training=*/false).input;
    if (state_.model->has_content()) input.documents = cache.documents(batch->documents).vectors;
    if (state_.model->has_queries())
      input.queries = state_.model->encode_queries(pack_queries(
          store_, batch->queries, state_.options.model.query_max_tokens, state_.special));
    const RankingOutput output = state_.model(input);
    if (state_.model->has_alignment()) {
      alignment.add(state_.model, output, *batch);
      by_cosine.add(output, *batch);
    }
    torch::Tensor scores = output.logits.select(1, 0).sigmoid().cpu().contiguous();
    check_finite(store_, *batch, {scores.data_ptr<float>(), batch->size()});
    evaluation.scores.insert(evaluation.scores.end(), scores.data_ptr<float>(),
                             scores.data_ptr<float>() + scores.numel());
    if (evaluation.cold_rows)
      for (uint32_t d : batch->document_of)
        *evaluation.cold_rows += !cache.bank_has(batch->documents[d]);
    if (progress) progress(static_cast<int64_t>(evaluation.scores.size()), rows);
  }
  evaluation.encoded_documents = cache.num_encoded();
  evaluation.alignment = alignment.value();
  state_.model->keep_anchors(false);
  state_.model->train(was_training);
  std::vector<float> labels;
  std::vector<uint64_t> users;
  const ScoredRows scored = scored_rows(store_, split, evaluation.scores, labels, users);
  evaluation.metrics = compute_metrics(scored);
  evaluation.of_content = by_cosine.finish(scored);
  return evaluation;
}

const TrainingCounts& Evaluator::trained() {
  if (!trained_) trained_ = count_training(store_);
  return *trained_;
}

SliceColumn Evaluator::document_seen_column(const StoreSchema::Split& split) {
  static constexpr int64_t kSeen[] = {0, 5, 50};
  const std::vector<uint32_t>& times = trained().documents;
  SliceColumn column{"document_seen", {"0", "1-5", "6-50", "51+"}, {}};
  for (uint64_t e = split.begin; e < split.end; ++e)
    column.bucket_of_row.push_back(bucket(times[store_.documents()[e]], kSeen));
  return column;
}

SliceColumn Evaluator::document_age_column(const StoreSchema::Split& split) const {
  static constexpr int64_t kAges[] = {kMsPerHour, kMsPerDay, 7 * kMsPerDay, 30 * kMsPerDay};
  SliceColumn column{"document_age", {"1h", "1d", "7d", "30d", "older"}, {}};
  for (uint64_t e = split.begin; e < split.end; ++e) {
    int64_t age = store_.times()[e] - store_.document_first_seen()[store_.documents()[e]];
    column.bucket_of_row.push_back(bucket(age, kAges));
  }
  return column;
}

SliceColumn Evaluator::history_length_column(const StoreSchema::Split& split) const {
  static constexpr int64_t kLengths[] = {0, 9, 49, 199};
  SliceColumn column{"history_length", {"0", "1-9", "10-49", "50-199", "200+"}, {}};
  const auto& histories = store_.schema().histories;
  auto longest = std::ranges::max_element(histories, {}, &StoreSchema::History::length);
  for (uint64_t e = split.begin; e < split.end; ++e) {
    size_t length = 0;
    if (longest != histories.end())
      length = store_
                   .history(static_cast<size_t>(longest - histories.begin()), store_.users()[e],
                            store_.request_times()[e])
                   .size();
    column.bucket_of_row.push_back(bucket(static_cast<int64_t>(length), kLengths));
  }
  return column;
}

SliceColumn Evaluator::user_seen_column(const StoreSchema::Split& split) {
  const std::vector<uint32_t>& times = trained().users;
  SliceColumn column{"user_seen", {"no", "yes"}, {}};
  for (uint64_t e = split.begin; e < split.end; ++e)
    column.bucket_of_row.push_back(times[store_.users()[e]] > 0 ? 1 : 0);
  return column;
}

SliceColumn Evaluator::query_seen_column(const StoreSchema::Split& split) {
  const std::vector<uint32_t>& times = trained().queries;
  SliceColumn column{"query_seen", {"no", "yes", "no query"}, {}};
  for (uint64_t e = split.begin; e < split.end; ++e) {
    const uint32_t query = store_.queries()[e];
    column.bucket_of_row.push_back(query == kNone ? 2 : times[query] > 0 ? 1 : 0);
  }
  return column;
}

nlohmann::ordered_json Evaluator::measure(const StoreSchema::Split& split,
                                          const Evaluation& evaluation,
                                          const std::vector<SliceColumn>& columns) const {
  std::vector<float> labels;
  std::vector<uint64_t> users;
  return compute_slices(scored_rows(store_, split, evaluation.scores, labels, users), columns);
}

nlohmann::ordered_json Evaluator::slices(const std::string& split_name,
                                         const Evaluation& evaluation) {
  const auto& split = store_.schema().split(split_name);
  std::vector<SliceColumn> columns = {document_seen_column(split), document_age_column(split),
                                      history_length_column(split), user_seen_column(split)};
  if (store_.schema().has_queries) columns.push_back(query_seen_column(split));
  return measure(split, evaluation, columns);
}

nlohmann::ordered_json Evaluator::document_seen(const std::string& split_name,
                                                const Evaluation& evaluation) {
  const auto& split = store_.schema().split(split_name);
  return measure(split, evaluation, {document_seen_column(split)});
}

}  // namespace lemur
