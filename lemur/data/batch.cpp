#include "lemur/data/batch.h"

#include <algorithm>
#include <utility>

#include "lemur/base/error.h"

namespace lemur {
namespace {

/// Lists the distinct `ids` in order of increasing (length(id), id), and where each id stands in
/// that list; kNone is left out of it and gets -1.
template <typename Index, typename Length>
void index_distinct(std::span<const uint32_t> ids, Length length, std::vector<uint32_t>& distinct,
                    std::vector<Index>& index_of) {
  std::vector<std::pair<size_t, uint32_t>> key_of(ids.size()), keys;
  keys.reserve(ids.size());
  for (size_t b = 0; b < ids.size(); ++b) {
    if (ids[b] == kNone) continue;
    key_of[b] = {length(ids[b]), ids[b]};
    keys.push_back(key_of[b]);
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  distinct.reserve(keys.size());
  for (const auto& [tokens, id] : keys) distinct.push_back(id);
  index_of.assign(ids.size(), static_cast<Index>(-1));
  for (size_t b = 0; b < ids.size(); ++b)
    if (ids[b] != kNone)
      index_of[b] = static_cast<Index>(std::ranges::lower_bound(keys, key_of[b]) - keys.begin());
}

void check_event(const SampleStore& store, uint64_t event) {
  const StoreSchema& schema = store.schema();
  if (event >= schema.num_events)
    fail<InvalidArgument>("batch", "event {} is out of range; the store has {} events", event,
                          schema.num_events);
  auto check = [&](const char* what, uint32_t index, uint64_t count) {
    if (index >= count)
      fail<DataError>("batch", "{}: event {} names {} {}; there are {}", store.path().string(),
                      event, what, index, count);
  };
  check("document", store.documents()[event], schema.num_documents);
  check("user", store.users()[event], schema.num_users);
  if (store.queries()[event] != kNone) check("query", store.queries()[event], schema.num_queries);
}

void gather_columns(const SampleStore& store, Batch& batch) {
  size_t num_labels = store.schema().labels.size();
  batch.users.reserve(batch.size());
  batch.times.reserve(batch.size());
  batch.requests.reserve(batch.size());
  batch.weights.reserve(batch.size());
  batch.labels.reserve(batch.size() * num_labels);
  for (uint64_t event : batch.events) {
    batch.users.push_back(store.users()[event]);
    batch.times.push_back(store.request_times()[event]);
    batch.requests.push_back(store.requests()[event]);
    batch.weights.push_back(store.weights()[event]);
    for (size_t k = 0; k < num_labels; ++k) batch.labels.push_back(store.labels(k)[event]);
  }
}

void gather_contents(const SampleStore& store, Batch& batch) {
  std::vector<uint32_t> ids(batch.size());
  auto gather = [&](std::span<const uint32_t> column) {
    std::ranges::transform(batch.events, ids.begin(), [&](uint64_t e) { return column[e]; });
  };
  gather(store.documents());
  auto document_length = [&](uint32_t document) {
    size_t tokens = 0;
    for (size_t field = 0; field < store.schema().text.size(); ++field)
      tokens += store.document_tokens(document, field).size();
    return tokens;
  };
  index_distinct(ids, document_length, batch.documents, batch.document_of);
  gather(store.queries());
  auto query_length = [tokens = store.query_tokens()](uint32_t query) {
    return tokens[query].size();
  };
  index_distinct(ids, query_length, batch.queries, batch.query_of);
}

void gather_feature(const SampleStore& store, size_t index, Batch& batch) {
  const StoreSchema::Feature& feature = store.schema().features[index];
  if (feature.is_match) return;
  bool of_document = feature.of == "document";
  auto row = [&](uint64_t event) { return of_document ? store.documents()[event] : event; };
  Batch::Feature& out = batch.features[index];
  if (feature.is_number) {
    out.numbers.reserve(batch.size());
    for (uint64_t event : batch.events) out.numbers.push_back(store.numbers(index)[row(event)]);
    return;
  }
  out.offsets.reserve(batch.size() + 1);
  out.offsets.push_back(0);
  for (uint64_t event : batch.events) {
    std::span<const uint64_t> keys = store.categories(index)[row(event)];
    out.keys.insert(out.keys.end(), keys.begin(), keys.end());
    out.offsets.push_back(out.keys.size());
  }
}

/// Computes the numbers of text match.
void gather_matches(const SampleStore& store, Batch& batch) {
  const TextMatcher* matcher = store.matcher();
  if (matcher == nullptr) return;
  std::vector<Batch::Feature*> targets;
  for (size_t i = 0; i < batch.features.size(); ++i)
    if (store.schema().features[i].is_match) {
      targets.push_back(&batch.features[i]);
      targets.back()->numbers.resize(batch.size());  // 0: missing
    }
  std::vector<float> values(matcher->num_values());
  std::vector<std::span<const int32_t>> texts(store.schema().text.size());
  TextMatcher::Query query;
  int64_t prepared = -1;
  for (size_t b = 0; b < batch.size(); ++b) {
    const int64_t number = batch.query_of[b];
    if (number < 0) continue;
    if (number != prepared)
      matcher->prepare(store.query_tokens()[batch.queries[static_cast<size_t>(number)]], query);
    prepared = number;
    const uint32_t document = batch.documents[batch.document_of[b]];
    for (size_t field = 0; field < texts.size(); ++field)
      texts[field] = store.document_tokens(document, field);
    matcher->match(query, texts, values);
    for (size_t v = 0; v < targets.size(); ++v) targets[v]->numbers[b] = values[v];
  }
}

void find_histories(const SampleStore& store, size_t index, Batch& batch) {
  Batch::History& out = batch.histories[index];
  out.views.reserve(batch.size());
  out.offsets.reserve(batch.size() + 1);
  out.offsets.push_back(0);
  for (size_t b = 0; b < batch.size(); ++b) {
    out.views.push_back(
        store.history(index, batch.users[b], store.request_times()[batch.events[b]]));
    out.offsets.push_back(out.offsets.back() + out.views.back().size());
  }
}

}  // namespace

Batch make_batch(const SampleStore& store, std::span<const uint64_t> events) {
  for (uint64_t event : events) check_event(store, event);
  Batch batch;
  batch.events.assign(events.begin(), events.end());
  gather_columns(store, batch);
  gather_contents(store, batch);
  batch.features.resize(store.schema().features.size());
  for (size_t i = 0; i < batch.features.size(); ++i) gather_feature(store, i, batch);
  gather_matches(store, batch);
  batch.histories.resize(store.schema().histories.size());
  for (size_t h = 0; h < batch.histories.size(); ++h) find_histories(store, h, batch);
  return batch;
}

}  // namespace lemur
