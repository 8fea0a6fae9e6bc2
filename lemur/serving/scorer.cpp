#include "lemur/serving/scorer.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "lemur/base/hash.h"
#include "lemur/model/int64_tensor.h"

namespace lemur {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int32_t kEncoded = std::numeric_limits<int32_t>::max();  // no row of the bank

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Lists histories of requests as the model's input takes them.
class HistoryLists {
 public:
  void add(const HistoryElement& element, int64_t time_ms, int64_t row) {
    document_.push_back(row);
    gap_.push_back(gap_bucket(time_ms - element.time_ms));
    action_.push_back(element.action);
  }
  void end_request() { offsets_.push_back(std::ssize(document_)); }
  RaggedHistory finish(const torch::Tensor& samples) const {
    return {int64_tensor(offsets_), int64_tensor(document_), int64_tensor(gap_),
            int64_tensor(action_), samples};
  }

 private:
  std::vector<int64_t> offsets_ = {0}, document_, gap_, action_;
};

/// Returns the sigmoid of x [B, n], of each value by itself: LibTorch's rounds the last ones of a
/// tensor differently.
torch::Tensor probabilities(const torch::Tensor& x) {
  torch::Tensor result = x.contiguous().clone();
  for (float& value : std::span(result.data_ptr<float>(), static_cast<size_t>(result.numel())))
    value = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(value))));
  return result;
}

/// Takes what the bank lacks from the documents that were encoded for earlier requests.
void add_encoded(Snapshot& snapshot, std::span<const uint64_t> keys, std::span<int32_t> rows,
                 torch::Tensor& vectors) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != MemoryBank::kAbsent) continue;
    const auto encoded = snapshot.documents.find(keys[i]);
    if (encoded.empty()) continue;
    std::ranges::copy(encoded,
                      vectors.data_ptr<float>() + static_cast<int64_t>(i) * vectors.size(1));
    rows[i] = kEncoded;
  }
}

}  // namespace

Scorer::Scorer(const Catalogue& catalogue, const LivePast& past, int64_t max_encoded,
               RecentContent& recent, ServingObserver& observer)
    : catalogue_(catalogue),
      histories_(past.histories()),
      observer_(observer),
      features_(catalogue, past.counters()),
      content_(catalogue, max_encoded, recent, observer) {}

void Scorer::read_features(Snapshot& snapshot, std::span<const RankRequest* const> requests,
                           Prepared& prepared, std::span<const uint64_t> history_keys) {
  std::vector<uint32_t> users;
  for (const RankRequest* request : requests)
    users.push_back(request->user.empty() ? kNone : catalogue_.user(request->user));
  const std::vector<float> matched = match_texts(requests, prepared);
  const size_t num_matched = matched.size() / std::max<size_t>(prepared.subjects.size(), 1);
  Batch batch;
  batch.events.resize(prepared.subjects.size());
  batch.features.resize(features_.num_features());
  for (size_t f = 0; f < batch.features.size(); ++f) {
    Batch::Feature& values = batch.features[f];
    if (!snapshot.state.schema.features[f].is_number) values.offsets.push_back(0);
    for (size_t g = 0; g < requests.size(); ++g) {
      const RankRequest& request = *requests[g];
      for (auto b = static_cast<size_t>(prepared.begin[g]);
           b < static_cast<size_t>(prepared.begin[g + 1]); ++b) {
        const ContentSubject& subject = prepared.subjects[b];
        features_.append(f,
                         {&request, subject.candidate, users[g], subject.document,
                          std::span(matched).subspan(b * num_matched, num_matched)},
                         values);
      }
    }
  }
  EmbeddedFeatures embedded = snapshot.state.tables.embed(batch, history_keys, /*training=*/false);
  prepared.input.features = std::move(embedded.values);
  prepared.input.history_ids = embedded.history;
}

/// Returns the numbers of text match of all candidates, [B, numbers].
std::vector<float> Scorer::match_texts(std::span<const RankRequest* const> requests,
                                       const Prepared& prepared) {
  const TextMatcher* matcher = catalogue_.store().matcher();
  if (matcher == nullptr) return {};
  std::vector<float> values(prepared.subjects.size() * matcher->num_values());
  std::vector<std::vector<int32_t>> room;
  TextMatcher::Query query;
  for (size_t g = 0; g < requests.size(); ++g) {
    matcher->prepare(content_.query_tokens(requests[g]->query), query);
    for (auto b = static_cast<size_t>(prepared.begin[g]);
         b < static_cast<size_t>(prepared.begin[g + 1]); ++b)
      matcher->match(query, content_.texts(prepared.subjects[b], room),
                     std::span(values).subspan(b * matcher->num_values(), matcher->num_values()));
  }
  return values;
}

/// Returns what the requests' users did before: per history of the schema, per request.
std::vector<Scorer::PerRequest> Scorer::collect_histories(
    std::span<const RankRequest* const> requests) const {
  const auto& schema = catalogue_.store().schema().histories;
  std::vector<PerRequest> all(schema.size());
  for (size_t h = 0; h < schema.size(); ++h)
    for (const RankRequest* request : requests) {
      const auto given = request->histories.find(schema[h].name);
      all[h].push_back(
          given != request->histories.end() ? histories_.given(h, given->second, request->time_ms)
          : request->user.empty()           ? std::vector<HistoryElement>()
                                            : histories_.read(h, request->user, request->time_ms));
    }
  return all;
}

/// Encodes known documents that the bank lacks, each request's newest ones first. `rows`
/// are those of all elements.
void Scorer::encode_missing(Snapshot& snapshot, const std::vector<PerRequest>& all,
                            std::span<const int32_t> rows) {
  std::vector<std::vector<HistoryElement>> missing(all[0].size());  // per request
  auto row = rows.begin();
  for (const PerRequest& history : all)
    for (size_t g = 0; g < history.size(); ++g)
      for (const HistoryElement& element : history[g])
        if (*row++ == MemoryBank::kAbsent && element.document != kNone)
          missing[g].push_back(element);
  for (auto& elements : missing) {
    std::ranges::stable_sort(elements, std::greater(), &HistoryElement::time_ms);
    std::vector<uint32_t> documents;
    for (const HistoryElement& element : elements) documents.push_back(element.document);
    content_.add_to_cache(snapshot, documents);
  }
}

/// Fills the histories of the input and returns the keys that its ID embeddings are of.
std::vector<uint64_t> Scorer::read_histories(Snapshot& snapshot,
                                             std::span<const RankRequest* const> requests,
                                             Prepared& prepared) {
  const bool reads_content = snapshot.state.model->reads_content_histories(),
             reads_ids = snapshot.state.model->reads_id_histories();
  if (!reads_content && !reads_ids) return {};
  const std::vector<PerRequest> all = collect_histories(requests);
  std::vector<uint64_t> keys;
  for (const PerRequest& history : all)
    for (const auto& elements : history)
      for (const HistoryElement& element : elements) keys.push_back(element.key);

  std::vector<int32_t> rows(keys.size(), MemoryBank::kAbsent);
  if (reads_content) {
    snapshot.state.bank->find(keys, rows);
    encode_missing(snapshot, all, rows);
    prepared.input.history_content = snapshot.state.bank->gather(rows);
    add_encoded(snapshot, keys, rows, prepared.input.history_content);
  }
  const torch::Tensor samples = int64_tensor(prepared.begin);
  prepared.content.resize(requests.size());
  std::vector<std::vector<int64_t>> content_rows(requests.size());
  int64_t next = 0;
  for (const PerRequest& history : all) {
    HistoryLists content, ids;
    for (size_t g = 0; g < requests.size(); ++g) {
      for (const HistoryElement& element : history[g]) {
        ids.add(element, requests[g]->time_ms, next);
        if (rows[static_cast<size_t>(next)] != MemoryBank::kAbsent) {
          content.add(element, requests[g]->time_ms, next);
          prepared.content[g].push_back(element);
          content_rows[g].push_back(next);
        }
        ++next;
      }
      ids.end_request();
      content.end_request();
    }
    if (reads_content) prepared.input.content_histories.push_back(content.finish(samples));
    if (reads_ids) prepared.input.id_histories.push_back(ids.finish(samples));
  }
  for (const auto& indices : content_rows) prepared.content_rows.push_back(int64_tensor(indices));
  return reads_ids ? keys : std::vector<uint64_t>();
}

Scorer::Prepared Scorer::prepare(Snapshot& snapshot, std::span<const RankRequest* const> requests) {
  Prepared prepared;
  prepared.begin.push_back(0);
  for (const RankRequest* request : requests) {
    for (const Candidate& candidate : request->documents)
      prepared.subjects.push_back(
          {&candidate, catalogue_.document(candidate.document), hash_bytes(candidate.document), 0});
    prepared.begin.push_back(std::ssize(prepared.subjects));
  }
  const std::vector<uint64_t> history_keys = read_histories(snapshot, requests, prepared);
  read_features(snapshot, requests, prepared, history_keys);

  RankingInput& input = prepared.input;
  input.document_of = torch::arange(std::ssize(prepared.subjects));
  if (snapshot.state.model->has_content()) {
    // Request by request, so that each has its own budget of documents to encode.
    std::vector<torch::Tensor> parts;
    for (size_t g = 0; g < requests.size(); ++g)
      parts.push_back(content_.documents(
          snapshot, std::span(prepared.subjects)
                        .subspan(static_cast<size_t>(prepared.begin[g]),
                                 static_cast<size_t>(prepared.begin[g + 1] - prepared.begin[g]))));
    input.documents = torch::cat(parts);
  }
  std::vector<int64_t> query_of(prepared.subjects.size(), -1);
  if (snapshot.state.model->has_queries()) {
    std::vector<std::string> texts;
    for (const RankRequest* request : requests) texts.push_back(request->query);
    std::vector<bool> is_empty;
    input.queries = content_.queries(snapshot, texts, is_empty);
    for (size_t g = 0; g < requests.size(); ++g)
      if (!is_empty[g])
        std::fill(query_of.begin() + prepared.begin[g], query_of.begin() + prepared.begin[g + 1],
                  static_cast<int64_t>(g));
  }
  input.query_of = int64_tensor(query_of);
  return prepared;
}

/// Returns the scores [B, labels] of a request's candidates and their order. Throws NotFinite.
RankAnswer Scorer::make_answer(const Prepared& prepared, size_t request,
                               const torch::Tensor& scores) {
  const int64_t labels = scores.size(1);
  const auto* values = scores.data_ptr<float>();
  RankAnswer answer;
  for (int64_t b = prepared.begin[request]; b < prepared.begin[request + 1]; ++b) {
    RankedDocument& document = answer.documents.emplace_back();
    document.scores.assign(values + b * labels, values + (b + 1) * labels);
    document.flags = prepared.subjects[static_cast<size_t>(b)].flags;
    for (float score : document.scores)
      if (!std::isfinite(score))
        throw NotFinite(answer.documents.size() - 1,
                        "[rank] the document's score is no finite number");
  }
  answer.order.resize(answer.documents.size());
  std::iota(answer.order.begin(), answer.order.end(), 0);
  std::ranges::stable_sort(answer.order, std::greater(),
                           [&](uint32_t i) { return answer.documents[i].scores[0]; });
  return answer;
}

std::vector<RankAnswer> Scorer::rank(Snapshot& snapshot,
                                     std::span<const RankRequest* const> requests) {
  torch::InferenceMode inference;
  const auto begin = Clock::now();
  const Prepared prepared = prepare(snapshot, requests);
  const double prepare_s = seconds_since(begin);
  const auto score_begin = Clock::now();
  RankingOutput output;
  Scored scored{snapshot.state.model->collect(prepared.input, output), {}};
  scored.logits = snapshot.state.model->rank(scored.input.features);
  const torch::Tensor scores = probabilities(scored.logits);
  const double score_s = seconds_since(score_begin);
  observer_.stage_took(ServingStage::kPrepare, prepare_s);
  observer_.stage_took(ServingStage::kScore, score_s);

  std::vector<RankAnswer> answers;
  for (size_t g = 0; g < requests.size(); ++g) {
    RankAnswer& answer = answers.emplace_back(make_answer(prepared, g, scores));
    answer.model_version = snapshot.version;
    answer.prepare_ms = 1e3 * prepare_s;
    answer.score_ms = 1e3 * score_s;
    if (requests[g]->explain) explain(snapshot, prepared, scored, g, answer);
  }
  return answers;
}

void Scorer::encode_recent(Snapshot& snapshot) {
  torch::InferenceMode inference;
  content_.encode_recent(snapshot);
}

EmbedResult Scorer::embed(Snapshot& snapshot, const EmbedRequest& request) {
  torch::InferenceMode inference;
  EmbedAnswer answer{.model_version = snapshot.version};
  torch::Tensor vector;
  RankingModel& model = snapshot.state.model;
  if (request.query) {
    if (!model->has_queries())
      return RankFailure{RankFailure::Kind::kInvalid, "the model reads no queries", "query"};
    std::vector<bool> is_empty;
    vector = content_.queries(snapshot, {&*request.query, 1}, is_empty);
    if (is_empty[0])
      return RankFailure{RankFailure::Kind::kInvalid, "the query holds no word", "query"};
  } else {
    if (!model->has_content())
      return RankFailure{RankFailure::Kind::kInvalid, "the model reads no content", "document"};
    ContentSubject subject{&*request.document, catalogue_.document(request.document->document),
                           hash_bytes(request.document->document), 0};
    vector = content_.documents(snapshot, {&subject, 1});
    if (subject.flags & kNoContent)
      return RankFailure{RankFailure::Kind::kInvalid,
                         "no document of this ID is known; send its texts along", "document.id"};
    answer.from_bank = (subject.flags & kEncodedNow) == 0;
  }
  answer.vector.assign(vector.data_ptr<float>(), vector.data_ptr<float>() + vector.numel());
  if (!std::ranges::all_of(answer.vector, [](float x) { return std::isfinite(x); })) {
    observer_.score_not_finite(/*by_request=*/false);
    return RankFailure{RankFailure::Kind::kInternal, "[embed] the vector holds no finite numbers",
                       request.query ? "query" : "document"};
  }
  return answer;
}

}  // namespace lemur
