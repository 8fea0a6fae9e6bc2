// What a client asks of the ranker and what it gets back: no HTTP, no JSON, no tensors.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lemur {

/// A feature's value as a client gives it: names of a category feature, or a number (raw, not
/// standardised). Without either it is missing, whatever the store knows.
struct FeatureValue {
  std::vector<std::string> categories;
  std::optional<double> number;  ///< set: a number, and `categories` is empty
};

/// Values by the features' names in the schema.
using FeatureValues = std::map<std::string, FeatureValue, std::less<>>;

/// A document to be ranked. What is sent along replaces what the store knows of it.
struct Candidate {
  std::string document;                                   ///< ID
  std::map<std::string, std::string, std::less<>> texts;  ///< raw texts by the schema's text fields
  FeatureValues features;  ///< of the document, and of it with user or context ("cross")
};

/// A past action of the user.
struct PastAction {
  std::string document;
  int64_t time_ms = 0;
  std::string action;  ///< one of the schema's actions; empty: the first
};

struct RankRequest {
  std::string id;          ///< of the request; echoed
  std::string user;        ///< ID; empty: nobody known
  std::string query;       ///< raw text; empty: none
  int64_t time_ms = 0;     ///< of its first impression: what happened before is known to it
  FeatureValues features;  ///< of the user and the context
  std::vector<Candidate> documents;
  /// Past actions by the schema's names of histories, in any order of time. A history that is not
  /// named is the store's, with what feedback has added since.
  std::map<std::string, std::vector<PastAction>, std::less<>> histories;
  std::optional<std::chrono::steady_clock::time_point> deadline;  ///< no work starts behind it
  bool explain = false;  ///< take every score apart (RankedDocument::parts)
};

/// Why a score rests on less than it could.
enum RankFlag : uint8_t {
  kUnknownDocument = 1,  ///< the store does not know the ID
  kEncodedNow = 2,       ///< the bank lacked it; it was encoded for this request
  kNoContent = 4,        ///< scored without its content
};

/// What makes a score, for people.
struct ScoreParts {
  std::optional<double> query_cosine;  ///< of query and document
  struct Neighbour {
    std::string document;
    double cosine = 0;
  };
  std::vector<Neighbour> nearest;  ///< documents of the histories most like this one, at most 5
  /// Change of the logit when a group of inputs is masked: the groups' names and logit minus the
  /// logit without the group.
  std::vector<std::pair<std::string, double>> groups;
};

struct RankedDocument {
  std::vector<float> scores;  ///< probability of each label of the schema; the first one ranks
  uint8_t flags = 0;          ///< RankFlag, or-ed
  std::optional<ScoreParts> parts;
};

struct RankAnswer {
  std::vector<RankedDocument> documents;  ///< in the order of the request
  std::vector<uint32_t> order;            ///< indices of documents, best first; ties as asked
  std::string model_version;              ///< name of the checkpoint
  int64_t batched_with = 0;               ///< other requests that were scored in the same batch
  double queue_ms = 0, prepare_ms = 0, score_ms = 0;
};

}  // namespace lemur
