#include "lemur/eval/evaluator.h"

#include <torch/torch.h>

#include <algorithm>

#include "lemur/data/batch_loader.h"
#include "lemur/eval/content_cache.h"
#include "lemur/eval/slices.h"
#include "lemur/model/input_builder.h"

namespace lemur {
namespace {

constexpr int64_t kMsPerHour = 3'600'000, kMsPerDay = 24 * kMsPerHour;

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
  ContentCache cache(store_, state_);
  InputBuilder builder(store_, state_.model, state_.tables);
  BatchLoader loader(store_, {.split = split_name, .batch_size = batch_size_});

  Evaluation evaluation;
  auto rows = static_cast<int64_t>(split.end - split.begin);
  evaluation.scores.reserve(static_cast<size_t>(rows));
  while (auto batch = loader.next()) {
    auto source = [&](std::span<const uint32_t> documents) { return cache.documents(documents); };
    RankingInput input = builder.build(*batch, source, /*training=*/false).input;
    if (state_.model->has_content()) input.documents = cache.documents(batch->documents).vectors;
    if (state_.model->has_queries())
      input.queries = state_.model->encode_queries(pack_queries(
          store_, batch->queries, state_.options.model.query_max_tokens, state_.special));
    torch::Tensor scores = state_.model(input).logits.select(1, 0).sigmoid().contiguous();
    evaluation.scores.insert(evaluation.scores.end(), scores.data_ptr<float>(),
                             scores.data_ptr<float>() + scores.numel());
    if (progress) progress(static_cast<int64_t>(evaluation.scores.size()), rows);
  }
  evaluation.encoded_documents = cache.num_encoded();
  state_.model->train(was_training);
  std::vector<float> labels;
  std::vector<uint64_t> users;
  evaluation.metrics =
      compute_metrics(scored_rows(store_, split, evaluation.scores, labels, users));
  return evaluation;
}

nlohmann::ordered_json Evaluator::slices(const std::string& split_name,
                                         const Evaluation& evaluation) {
  const auto& split = store_.schema().split(split_name);
  const auto& train = store_.schema().split("train");
  if (times_trained_.empty()) {
    times_trained_.assign(store_.schema().num_documents, 0);
    user_trained_.assign(store_.schema().num_users, 0);
    for (uint64_t e = train.begin; e < train.end; ++e)
      ++times_trained_[store_.documents()[e]], ++user_trained_[store_.users()[e]];
  }
  static constexpr int64_t kSeen[] = {0, 5, 50},
                           kAges[] = {kMsPerHour, kMsPerDay, 7 * kMsPerDay, 30 * kMsPerDay},
                           kLengths[] = {0, 9, 49, 199};
  std::vector<SliceColumn> columns = {
      {"document_seen", {"0", "1-5", "6-50", "51+"}, {}},
      {"document_age", {"1h", "1d", "7d", "30d", "older"}, {}},
      {"history_length", {"0", "1-9", "10-49", "50-199", "200+"}, {}},
      {"user_seen", {"no", "yes"}, {}}};
  size_t longest = 0;
  for (size_t h = 0; h < store_.schema().histories.size(); ++h)
    if (store_.schema().histories[h].length > store_.schema().histories[longest].length)
      longest = h;
  for (uint64_t e = split.begin; e < split.end; ++e) {
    uint32_t document = store_.documents()[e], user = store_.users()[e];
    int64_t time = store_.times()[e];
    int64_t length = store_.schema().histories.empty()
                         ? 0
                         : static_cast<int64_t>(store_.history(longest, user, time).size());
    columns[0].bucket_of_row.push_back(bucket(times_trained_[document], kSeen));
    columns[1].bucket_of_row.push_back(
        bucket(time - store_.document_first_seen()[document], kAges));
    columns[2].bucket_of_row.push_back(bucket(length, kLengths));
    columns[3].bucket_of_row.push_back(user_trained_[user] > 0 ? 1 : 0);
  }
  std::vector<float> labels;
  std::vector<uint64_t> users;
  return compute_slices(scored_rows(store_, split, evaluation.scores, labels, users), columns);
}

}  // namespace lemur
