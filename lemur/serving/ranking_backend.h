// What the HTTP front asks of a ranker: no HTTP, no JSON, no tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lemur/features/number_scale.h"
#include "lemur/serving/rank_request.h"

namespace lemur {

/// What the names in requests and answers may be. Fixed for the life of a backend.
struct RankSchema {
  struct Feature {
    std::string name;
    std::string of;  ///< document | user | context | cross
    bool is_number = false;
    bool is_computed = false;  ///< computed where it is not given; of a request or of a document
    NumberScale scale = {};    ///< of a number
  };
  struct History {
    std::string name;
    int64_t length = 0;  ///< newest actions that count
  };
  /// A column that a counter's key or a history's condition asks for and that clients cannot give.
  struct Missing {
    std::string kind;  ///< counter | history
    std::string name;  ///< of the history, or of the counter's rate
    std::string column;
  };
  std::vector<std::string> labels;  ///< the first one ranks
  std::vector<std::string> text_fields;
  std::vector<Feature> features;
  std::vector<History> histories;
  std::vector<std::string> actions;
  std::vector<Missing> missing_at_serving;
  bool has_declared_times = false;  ///< times may lie anywhere, else by features/time_rule.h
  int64_t vector_width = 0;         ///< numbers in an embedding
};

/// Why a request has no answer.
struct RankFailure {
  enum class Kind {
    kOverloaded,   ///< the queue is full; again after `retry_after_seconds`
    kDeadline,     ///< the deadline passed before work started
    kInvalid,      ///< the request names what does not exist; `field` says where
    kUnavailable,  ///< no model is loaded
    kInternal,
  };
  Kind kind = Kind::kInternal;
  std::string message = {};
  std::string field = {};  ///< such as "documents[3].id"; empty: none in particular
  int retry_after_seconds = 1;
};

/// Exactly one of the two is set.
struct EmbedRequest {
  std::optional<std::string> query;   ///< raw text
  std::optional<Candidate> document;  ///< known by its ID, or by the texts sent along
  std::optional<std::chrono::steady_clock::time_point> deadline;  ///< no work starts behind it
};

struct EmbedAnswer {
  std::vector<float> vector;  ///< [vector_width]
  bool from_bank = false;     ///< false: encoded for this request
  std::string model_version;
};

/// What the server knows of a document.
struct DocumentFacts {
  std::string id;
  std::vector<std::pair<std::string, std::string>> texts;     ///< by field
  std::vector<std::pair<std::string, std::string>> features;  ///< by name; values as text
  bool has_image = false;
  bool in_bank = false;
  int64_t bank_age_steps = 0;  ///< of training since its vector was written; of those in the bank
  int64_t num_writes = 0;      ///< of its vector
};

/// What a user did with a document.
struct HistoryItem {
  std::string document;  ///< ID; empty: neither store nor feedback names the document
  std::string title;     ///< its first text field
  int64_t time_ms = 0;
  std::string action;  ///< one of the schema's actions; empty: the schema names none
};

/// What there is to try a ranker with.
struct RankExamples {
  std::vector<std::string> users, queries, documents;
};

struct BackendStatus {
  bool is_ready = false;  ///< a model is loaded and answers
  std::string model_name, model_version;
  int64_t loaded_at_ms = 0;     ///< since 1970; 0: nothing is loaded
  std::string last_load_error;  ///< of the newest attempt; empty: it went well
  int64_t load_failures = 0;
  int64_t bank_rows = 0;
  double bank_coverage = 0;                    ///< share of the store's documents that the bank has
  double mean_cosine = 0, effective_rank = 0;  ///< of the bank's vectors: how far they tell
                                               ///< documents apart; 0 without a bank
  double staleness_seconds = 0;  ///< age of the model's data: now minus its newest event
  int64_t queue_depth = 0;       ///< requests that wait
};

using RankResult = std::variant<RankAnswer, RankFailure>;
using EmbedResult = std::variant<EmbedAnswer, RankFailure>;

/// A ranker behind the HTTP front. All members may be called from any thread and do not wait for
/// the model; callbacks are called exactly once, from any thread, before the destructor returns,
/// and must not throw.
class RankBackend {
 public:
  virtual ~RankBackend() = default;

  virtual const RankSchema& schema() const = 0;
  virtual BackendStatus status() const = 0;

  /// Scores the documents of a request whose names were checked against schema().
  virtual void rank(RankRequest request, std::function<void(RankResult)> done) = 0;

  /// Encodes a query or a document; an unknown ID without texts fails as invalid.
  virtual void embed(EmbedRequest request, std::function<void(EmbedResult)> done) = 0;

  /// Returns nothing for an ID that the store does not know.
  virtual std::optional<DocumentFacts> document(std::string_view id) const = 0;

  /// Returns the newest `limit` actions of a user's history, newest first; nothing for a name that
  /// the schema lacks.
  virtual std::optional<std::vector<HistoryItem>> history(std::string_view user,
                                                          std::string_view name,
                                                          size_t limit) const = 0;

  /// Returns the document's image as the model sees it, as PNG; an empty `field` is the first one
  /// that has an image. Returns nothing where there is none.
  virtual std::optional<std::vector<uint8_t>> image(std::string_view id,
                                                    std::string_view field) const = 0;

  /// Returns the users, queries and documents of the store's newest events: at most `count` of
  /// each, newest first, none twice.
  virtual RankExamples examples(size_t count) const = 0;
};

}  // namespace lemur
