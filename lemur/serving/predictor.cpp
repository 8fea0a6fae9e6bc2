#include "lemur/serving/predictor.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <tuple>
#include <unordered_map>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"

namespace lemur {
namespace {

RankSchema schema_of(const Catalogue& catalogue, const LivePast& past) {
  const StoreSchema& store = catalogue.store().schema();
  RankSchema schema{.labels = store.labels, .actions = store.actions};
  for (const auto& field : store.text) schema.text_fields.push_back(field.name);
  for (const auto& feature : store.features)
    schema.features.push_back({.name = feature.name,
                               .of = feature.of,
                               .is_number = feature.is_number,
                               .is_computed = feature.is_match,
                               .scale = feature.scale});
  for (const auto& counter : store.counters)
    for (uint64_t feature : {counter.rate_feature, counter.count_feature})
      schema.features[feature].is_computed = true;
  for (const auto& history : store.histories)
    schema.histories.push_back({history.name, history.length});
  schema.missing_at_serving = past.missing();
  schema.has_declared_times = store.has_declared_times;
  schema.vector_width = catalogue.options().model.representation_width;
  return schema;
}

double ms_between(std::chrono::steady_clock::time_point from,
                  std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// Says what the exception in flight means to the client.
RankFailure failure_in_flight() {
  try {
    throw;
  } catch (const InvalidArgument& error) {
    return {RankFailure::Kind::kInvalid, error.what()};
  } catch (const std::exception& error) {
    return {RankFailure::Kind::kInternal, error.what()};
  }
}

constexpr size_t kRecordedDocuments = 64;  // of one request: enough to warm a model with
constexpr RankFailure::Kind kDeadline = RankFailure::Kind::kDeadline;

bool is_late(const std::optional<std::chrono::steady_clock::time_point>& deadline) {
  return deadline && std::chrono::steady_clock::now() > *deadline;
}

}  // namespace

Predictor::Predictor(const Catalogue& catalogue, PredictorOptions options,
                     ServingObserver& observer)
    : catalogue_(catalogue),
      options_(std::move(options)),
      observer_(observer),
      past_(catalogue),
      schema_(schema_of(catalogue, past_)),
      scorer_(catalogue, past_, options_.max_encoded, recent_, observer),
      worker_([this] { run(); }) {
  for (RankRequest& request : logged_requests(catalogue, options_.recorded_requests))
    record(std::move(request));
}

Predictor::~Predictor() {
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  wake_.notify_all();
  worker_.join();
  for (RankJob& job : ranks_) job.done(overloaded());
  for (EmbedJob& job : embeds_) job.done(overloaded());
}

std::shared_ptr<Snapshot> Predictor::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_;
}

void Predictor::warm(Snapshot& snapshot) {
  ServingObserver unobserved;
  Scorer scorer(catalogue_, past_, options_.max_encoded, recent_, unobserved);
  scorer.encode_recent(snapshot);
  std::deque<std::shared_ptr<const RankRequest>> requests;
  {
    std::lock_guard lock(mutex_);
    requests = recorded_;
  }
  for (const auto& request : requests) {
    const RankRequest* one = request.get();
    scorer.rank(snapshot, {&one, 1});
  }
}

void Predictor::publish(std::shared_ptr<Snapshot> snapshot) {
  const auto documents = catalogue_.store().document_keys();
  double coverage = 0;
  RepresentationHealth health;
  if (snapshot->state.bank && !documents.empty()) {
    health = measure_bank(*snapshot->state.bank).value_or(RepresentationHealth{});
    std::vector<int32_t> rows(documents.size());
    snapshot->state.bank->find(documents, rows);
    coverage = 1 - static_cast<double>(std::ranges::count(rows, MemoryBank::kAbsent)) /
                       static_cast<double>(rows.size());
  }
  {
    std::lock_guard lock(mutex_);
    snapshot_.swap(snapshot);
    coverage_ = coverage;
    health_ = health;
    load_error_.clear();
  }
  // Memory is given back on this thread, not on the one that answers.
  while (snapshot != nullptr && snapshot.use_count() > 1)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Predictor::report_load_failure(const std::string& error) {
  std::lock_guard lock(mutex_);
  load_error_ = error;
  ++load_failures_;
}

bool Predictor::learn(const FeedbackEvent& event) { return past_.add(event); }

BackendStatus Predictor::status() const {
  std::lock_guard lock(mutex_);
  BackendStatus status{.is_ready = snapshot_ != nullptr,
                       .model_name = options_.model_name,
                       .last_load_error = load_error_,
                       .load_failures = load_failures_,
                       .bank_coverage = coverage_,
                       .mean_cosine = health_.mean_cosine,
                       .effective_rank = health_.effective_rank,
                       .queue_depth = std::ssize(ranks_) + std::ssize(embeds_)};
  if (snapshot_) {
    status.model_version = snapshot_->version;
    status.loaded_at_ms = snapshot_->loaded_at_ms;
    status.bank_rows = snapshot_->bank_rows;
  }
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  status.staleness_seconds = static_cast<double>(now - catalogue_.newest_time_ms()) / 1e3;
  return status;
}

/// Requires mutex_.
RankFailure Predictor::overloaded() const {
  const double wait = seconds_per_request_ * static_cast<double>(ranks_.size());
  return {.kind = RankFailure::Kind::kOverloaded,
          .message = fmt::format("[rank] {} requests wait already", ranks_.size()),
          .retry_after_seconds = std::max(1, static_cast<int>(std::ceil(wait)))};
}

/// Lets a job wait, or tells its client why it may not.
template <typename Job>
void Predictor::enqueue(std::string_view what, std::deque<Job>& waiting, Job job) {
  RankFailure failure;
  {
    std::lock_guard lock(mutex_);
    if (snapshot_ == nullptr) {
      failure = {RankFailure::Kind::kUnavailable, fmt::format("[{}] no model is loaded yet", what)};
    } else if (is_closing_ || std::ssize(waiting) >= options_.max_queue) {
      failure = overloaded();
    } else {
      waiting.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job.done(std::move(failure));
}

void Predictor::rank(RankRequest request, std::function<void(RankResult)> done) {
  enqueue("rank", ranks_, RankJob{std::move(request), std::move(done), Clock::now()});
}

void Predictor::embed(EmbedRequest request, std::function<void(EmbedResult)> done) {
  enqueue("embed", embeds_, EmbedJob{std::move(request), std::move(done)});
}

void Predictor::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return is_closing_ || !ranks_.empty() || !embeds_.empty(); });
    if (is_closing_) return;
    if (!embeds_.empty()) {
      EmbedJob job = std::move(embeds_.front());
      embeds_.pop_front();
      lock.unlock();
      embed_now(std::move(job));
      lock.lock();
    }
    if (ranks_.empty()) continue;
    std::vector<RankJob> jobs = take_batch(lock);
    lock.unlock();
    score(std::move(jobs));
    lock.lock();
  }
}

/// Takes what fits one pass; waits for more where the options say so.
std::vector<Predictor::RankJob> Predictor::take_batch(std::unique_lock<std::mutex>& lock) {
  const auto waiting = [&] {
    int64_t documents = 0;
    for (const RankJob& job : ranks_) documents += std::ssize(job.request.documents);
    return documents;
  };
  if (options_.batch_wait_ms > 0)
    wake_.wait_until(lock,
                     ranks_.front().queued_at +
                         std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double, std::milli>(options_.batch_wait_ms)),
                     [&] { return is_closing_ || waiting() >= options_.max_batch_documents; });
  std::vector<RankJob> jobs;
  int64_t documents = 0;
  while (!ranks_.empty()) {
    documents += std::ssize(ranks_.front().request.documents);
    if (!jobs.empty() && documents > options_.max_batch_documents) break;
    jobs.push_back(std::move(ranks_.front()));
    ranks_.pop_front();
  }
  return jobs;
}

void Predictor::score(std::vector<RankJob> jobs) {
  const auto begin = Clock::now();
  std::erase_if(jobs, [](RankJob& job) {
    const bool late = is_late(job.request.deadline);
    if (late) job.done(RankFailure{kDeadline, "[rank] the deadline passed in the queue"});
    return late;
  });
  if (jobs.empty()) return;
  const std::shared_ptr<Snapshot> model = snapshot();
  std::vector<RankResult> results = score_together(*model, jobs);
  int64_t documents = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const double queued_ms = ms_between(jobs[i].queued_at, begin);
    observer_.stage_took(ServingStage::kQueue, queued_ms / 1e3);
    documents += std::ssize(jobs[i].request.documents);
    if (auto* answer = std::get_if<RankAnswer>(&results[i])) {
      answer->queue_ms = queued_ms;
      answer->batched_with = std::ssize(jobs) - 1;
    }
    jobs[i].done(std::move(results[i]));
  }
  observer_.batch_scored(std::ssize(jobs), documents);
  const double seconds = ms_between(begin, Clock::now()) / 1e3 / static_cast<double>(jobs.size());
  record(std::move(jobs.back().request));
  std::lock_guard lock(mutex_);
  seconds_per_request_ = 0.9 * seconds_per_request_ + 0.1 * seconds;
}

/// Scores all in one pass; where that fails, each alone, so that one request's fault is its own.
std::vector<RankResult> Predictor::score_together(Snapshot& snapshot, std::vector<RankJob>& jobs) {
  std::vector<const RankRequest*> requests;
  for (const RankJob& job : jobs) requests.push_back(&job.request);
  std::vector<RankResult> results;
  try {
    for (RankAnswer& answer : scorer_.rank(snapshot, requests))
      results.emplace_back(std::move(answer));
    return results;
  } catch (const std::exception&) {
    results.clear();
  }
  for (const RankRequest* request : requests) results.push_back(score_alone(snapshot, *request));
  return results;
}

RankResult Predictor::score_alone(Snapshot& snapshot, const RankRequest& request) {
  const RankRequest* one = &request;
  try {
    return std::move(scorer_.rank(snapshot, {&one, 1})[0]);
  } catch (const NotFinite& error) {
    const RankFailure failure = blame(snapshot, request, error);
    observer_.score_not_finite(failure.kind == RankFailure::Kind::kInvalid);
    return failure;
  } catch (const std::exception&) {
    return failure_in_flight();
  }
}

/// Leaves out one number after the other that the request gives, and names the one with which the
/// last infinity goes; none: the model is at fault.
RankFailure Predictor::blame(Snapshot& snapshot, const RankRequest& request,
                             const NotFinite& error) {
  RankRequest alone = request;
  alone.explain = false;
  alone.documents = {request.documents[error.document]};
  const std::string document = fmt::format("documents[{}]", error.document);
  const auto is_finite_without = [&](FeatureValues& values, const std::string& name) {
    values.erase(name);
    const RankRequest* one = &alone;
    try {
      scorer_.rank(snapshot, {&one, 1});
      return true;
    } catch (const NotFinite&) {
      return false;
    }
  };
  for (const auto& [values, of, path] :
       {std::tuple{&alone.features, &request.features, std::string()},
        std::tuple{&alone.documents[0].features, &request.documents[error.document].features,
                   document + "."}})
    for (const auto& [name, value] : *of)
      if (value.number && is_finite_without(*values, name))
        return {RankFailure::Kind::kInvalid,
                fmt::format("[rank] with {} for feature '{}' the score is no finite number",
                            *value.number, name),
                path + "features." + name};
  return {RankFailure::Kind::kInternal, error.what(), document};
}

void Predictor::embed_now(EmbedJob job) {
  if (is_late(job.request.deadline))
    return job.done(RankFailure{kDeadline, "[embed] the deadline passed in the queue"});
  const std::shared_ptr<Snapshot> model = snapshot();
  EmbedResult result;
  try {
    result = scorer_.embed(*model, job.request);
  } catch (const std::exception&) {
    result = failure_in_flight();
  }
  job.done(std::move(result));
}

void Predictor::record(RankRequest request) {
  if (request.documents.size() > kRecordedDocuments) request.documents.resize(kRecordedDocuments);
  auto recorded = std::make_shared<const RankRequest>(std::move(request));
  std::lock_guard lock(mutex_);
  recorded_.push_back(std::move(recorded));
  if (recorded_.size() > options_.recorded_requests) recorded_.pop_front();
}

std::optional<DocumentFacts> Predictor::document(std::string_view id) const {
  const uint32_t document = catalogue_.document(id);
  if (document == kNone) return std::nullopt;
  const SampleStore& store = catalogue_.store();
  const StoreSchema& schema = store.schema();
  DocumentFacts facts{.id = std::string(id)};
  for (size_t field = 0; field < schema.text.size(); ++field)
    facts.texts.emplace_back(schema.text[field].name, catalogue_.text(document, field));
  for (size_t f = 0; f < schema.features.size(); ++f) {
    const auto& feature = schema.features[f];
    if (feature.of != "document" || !feature.is_number) continue;  // names are kept as hashes
    const double value = feature.scale.invert(store.numbers(f)[document]);
    facts.features.emplace_back(feature.name, fmt::format("{:.6g}", value));
  }
  for (size_t field = 0; field < schema.images.size(); ++field)
    facts.has_image = facts.has_image || !store.image(document, field).empty();
  const std::shared_ptr<Snapshot> model = snapshot();
  if (model == nullptr || !model->state.bank) return facts;
  int32_t row = MemoryBank::kAbsent;
  model->state.bank->find({&store.document_keys()[document], 1}, {&row, 1});
  if (row == MemoryBank::kAbsent) return facts;
  int64_t last_step = 0;
  model->state.bank->ages({&row, 1}, {&last_step, 1});
  facts.in_bank = true;
  facts.bank_age_steps = model->step - last_step;
  facts.num_writes = model->state.bank->writes(row);
  return facts;
}

std::vector<RankRequest> logged_requests(const Catalogue& catalogue, size_t count) {
  const SampleStore& store = catalogue.store();
  std::vector<RankRequest> requests;
  std::unordered_map<uint64_t, size_t> places;  // by the request's key; its events may lie apart
  for (uint64_t event = store.schema().num_events; event-- > 0;) {
    const auto known = places.find(store.requests()[event]);
    if (known == places.end() && requests.size() == count) continue;
    const size_t place = known == places.end() ? requests.size() : known->second;
    if (known == places.end()) {
      places.emplace(store.requests()[event], place);
      RankRequest& request = requests.emplace_back();
      request.id = store.request_name(event);
      request.user = store.user_id(store.users()[event]);
      request.time_ms = store.request_times()[event];
      if (store.queries()[event] != kNone) request.query = store.query_text(store.queries()[event]);
    }
    requests[place].documents.push_back(
        {.document = std::string(store.document_id(store.documents()[event]))});
  }
  for (RankRequest& request : requests) std::ranges::reverse(request.documents);
  std::ranges::reverse(requests);
  return requests;
}

}  // namespace lemur
