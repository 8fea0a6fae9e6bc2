// Requests and answers of ranking as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lemur/http/json_reader.h"
#include "lemur/serving/ranking_backend.h"

namespace lemur {

struct RequestLimits {
  size_t max_documents = 2000;
  size_t max_history = 5000;      ///< past actions of one history
  size_t max_text_bytes = 16384;  ///< of a query or a text field
  size_t max_categories = 256;    ///< values of one feature
  size_t max_events = 1000;       ///< of one feedback request
  int64_t max_deadline_ms = 60000;
  int64_t default_deadline_ms = 1000;  ///< where a request names none
};

/// A request with what only its answer needs.
struct ParsedRank {
  RankRequest request;
  size_t top = 0;  ///< answers of the best only; 0: of all
};

/// Parses the body of POST /v1/rank. `request_id` is the ID where the body has none, `now_ms` the
/// time where it has none. Throws RequestError: 400 for what is malformed, 422 for names that
/// `schema` lacks and counts beyond the limits.
ParsedRank parse_rank(std::string& body, const RankSchema& schema, const RequestLimits& limits,
                      std::string_view request_id, int64_t now_ms);

/// Parses the body of POST /v1/embed: {"query": text}, {"document": id or {"id", "texts"}}; and
/// "deadline_ms".
EmbedRequest parse_embed(std::string& body, const RankSchema& schema, const RequestLimits& limits);

/// Whose features a client gives: user and context are a request's, document and cross a
/// document's; an event has all but the document's. Counters are taken everywhere.
enum class FeatureOwner { kRequest, kDocument, kEvent };

/// Reads {"name": value}; null is a missing value. Throws RequestError 422 for features of another
/// owner, 400 for numbers beyond float32.
FeatureValues read_features(simdjson::dom::element value, const JsonPath& path,
                            const RankSchema& schema, const RequestLimits& limits,
                            FeatureOwner owner);

/// Reads milliseconds since 1970. Throws RequestError 400 for what is no time of an event.
int64_t read_time(simdjson::dom::element value, const JsonPath& path, const RankSchema& schema,
                  int64_t now_ms);

/// Returns the name of a label's or action's place in `names`; throws RequestError 422 naming the
/// nearest one for an unknown name.
void check_name(std::string_view name, const JsonPath& path, const std::string& kind,
                const std::vector<std::string>& names);

struct RankAnswerContext {
  std::string_view request_id, model_name;
  size_t top = 0;
  double total_ms = 0;
};

/// Returns the body of an answer to `request_documents`, whose order the answer has.
std::string rank_answer_json(const RankAnswer& answer, const std::vector<std::string>& documents,
                             const RankSchema& schema, const RankAnswerContext& context);

/// Appends "[\"unknown_document\", ...]".
void append_flags(std::string& out, uint8_t flags);

std::string embed_answer_json(const EmbedAnswer& answer, std::string_view request_id,
                              std::string_view model_name);

}  // namespace lemur
