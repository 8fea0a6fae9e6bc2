// A backend for tests of the front: scores are hashes, and users are what they are called.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "lemur/base/hash.h"
#include "lemur/serving/ranking_backend.h"

namespace lemur {

/// Answers from a thread of its own. Documents "1" to "10000" are known. The users "overloaded",
/// "late", "unready" and "broken" fail; "waiting" is answered by release() or the destructor.
class FakeBackend : public RankBackend {
 public:
  FakeBackend() : thread_([this] { run(); }) {
    schema_.labels = {"click", "like"};
    schema_.text_fields = {"title", "genres"};
    schema_.features = {{"hour", "context", false},
                        {"age", "user", true},
                        {"genres", "document", false},
                        {"price", "document", true},
                        {"rate(user)", "cross", true, true}};
    schema_.missing_at_serving = {{"counter", "rate(place)", "place"}};
    schema_.histories = {{"long", 1000}};
    schema_.actions = {"click", "like"};
    schema_.vector_width = 4;
  }
  ~FakeBackend() override {
    release();
    {
      std::lock_guard lock(mutex_);
      is_closing_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  const RankSchema& schema() const override { return schema_; }

  BackendStatus status() const override {
    BackendStatus status;
    status.is_ready = true;
    status.model_name = "fake";
    status.model_version = "step-000007";
    status.loaded_at_ms = 1;
    status.bank_rows = 9000;
    status.bank_coverage = 0.9;
    status.staleness_seconds = 60;
    return status;
  }

  void rank(RankRequest request, std::function<void(RankResult)> done) override {
    const std::string user = request.user;
    post(user == "waiting",
         [request = std::move(request), done = std::move(done)] { done(answer(request)); });
  }

  void embed(EmbedRequest request, std::function<void(EmbedResult)> done) override {
    post(false, [request = std::move(request), done = std::move(done)] {
      if (request.document && request.document->texts.empty() && !knows(request.document->document))
        return done(
            RankFailure{RankFailure::Kind::kInvalid, "the document is unknown", "document"});
      done(EmbedAnswer{{0.5f, -0.25f, 0.125f, 1e-9f}, request.document.has_value(), "step-000007"});
    });
  }

  std::optional<DocumentFacts> document(std::string_view id) const override {
    if (!knows(id)) return std::nullopt;
    DocumentFacts facts;
    facts.id = id;
    facts.texts = {{"title", "A \"title\""}, {"genres", "Drama"}};
    facts.features = {{"price", "3.2"}};
    facts.in_bank = id != "10000";
    facts.bank_age_steps = 12;
    facts.num_writes = 3;
    return facts;
  }

  std::optional<std::vector<HistoryItem>> history(std::string_view user, std::string_view name,
                                                  size_t limit) const override {
    if (name != "long") return std::nullopt;
    std::vector<HistoryItem> items;
    if (user == "42")
      items = {{"7", "A \"title\"", 978300000000, "click"}, {"", "", 978200000000, "like"}};
    items.resize(std::min(items.size(), limit));
    return items;
  }

  std::optional<std::vector<uint8_t>> image(std::string_view id,
                                            std::string_view field) const override {
    if (!knows(id) || (!field.empty() && field != "cover")) return std::nullopt;
    return std::vector<uint8_t>{0x89, 'P', 'N', 'G'};
  }

  RankExamples examples(size_t count) const override {
    RankExamples examples{{"42", "43"}, {"space films"}, {"1", "2", "3"}};
    for (auto* list : {&examples.users, &examples.queries, &examples.documents})
      list->resize(std::min(list->size(), count));
    return examples;
  }

  /// Answers the requests of the user "waiting".
  void release() {
    std::lock_guard lock(mutex_);
    for (std::function<void()>& held : held_) work_.push_back(std::move(held));
    held_.clear();
    wake_.notify_all();
  }

  size_t num_waiting() const {
    std::lock_guard lock(mutex_);
    return held_.size();
  }

 private:
  static bool knows(std::string_view id) {
    return !id.empty() && id.size() <= 5 && id.front() != '0' &&
           id.find_first_not_of("0123456789") == std::string_view::npos &&
           std::stoi(std::string(id)) <= 10000;
  }

  static RankResult answer(const RankRequest& request) {
    using Kind = RankFailure::Kind;
    if (request.user == "overloaded")
      return RankFailure{Kind::kOverloaded, "the queue is full", "", 2};
    if (request.user == "late") return RankFailure{Kind::kDeadline, "the deadline passed"};
    if (request.user == "unready") return RankFailure{Kind::kUnavailable, "no model is loaded"};
    if (request.user == "broken") return RankFailure{Kind::kInternal, "broken"};
    RankAnswer answer;
    answer.model_version = "step-000007";
    const uint64_t seed = hash_bytes(request.user + "/" + request.query);
    for (const Candidate& candidate : request.documents) {
      RankedDocument document;
      for (uint64_t label = 0; label < 2; ++label)
        document.scores.push_back(
            static_cast<float>(hash_uniform(seed, label, hash_bytes(candidate.document))));
      if (!knows(candidate.document)) document.flags = kUnknownDocument | kNoContent;
      if (request.explain) document.parts = ScoreParts{0.5, {{"7", 0.25}}, {{"history", 0.125}}};
      answer.documents.push_back(std::move(document));
    }
    answer.order.resize(request.documents.size());
    std::iota(answer.order.begin(), answer.order.end(), 0u);
    std::stable_sort(answer.order.begin(), answer.order.end(), [&](uint32_t a, uint32_t b) {
      return answer.documents[a].scores[0] > answer.documents[b].scores[0];
    });
    return answer;
  }

  void post(bool is_held, std::function<void()> work) {
    std::lock_guard lock(mutex_);
    (is_held ? held_ : work_).push_back(std::move(work));
    wake_.notify_one();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return is_closing_ || !work_.empty(); });
      if (work_.empty()) return;
      std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }

  RankSchema schema_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void()>> work_, held_;
  bool is_closing_ = false;
  std::thread thread_;
};

}  // namespace lemur
