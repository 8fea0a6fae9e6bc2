// Feeds any bytes to the parsers of request bodies and checks what they promise.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lemur/features/time_rule.h"
#include "lemur/http/feedback_json.h"
#include "lemur/http/infer_json.h"
#include "lemur/http/json_text.h"
#include "lemur/http/rank_json.h"

namespace lemur {
namespace {

RankSchema make_schema() {
  RankSchema schema;
  schema.labels = {"click", "like"};
  schema.text_fields = {"title", "genres"};
  schema.features = {
      {"hour", "context", false}, {"age", "user", true}, {"price", "document", true}};
  schema.histories = {{"long", 1000}};
  schema.actions = {"click", "like"};
  return schema;
}

RequestLimits small_limits() {
  RequestLimits limits;
  limits.max_documents = 32;
  limits.max_history = 8;
  limits.max_events = 8;
  return limits;
}

constexpr int64_t kNow = 1'700'000'000'000;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Runs a parser; a refusal must be 400 or 422 and be text.
template <typename Parse>
void try_parse(std::string body, Parse&& parse) {
  try {
    parse(body);
  } catch (const RequestError& error) {
    require(error.status == 400 || error.status == 422);
    require(is_utf8(error.what()) && is_utf8(error.field));
  }
}

void check_rank(const ParsedRank& parsed, const RequestLimits& limits) {
  require(!parsed.request.documents.empty());
  require(parsed.request.documents.size() <= limits.max_documents);
  require(is_plausible_time(parsed.request.time_ms, kNow) && is_utf8(parsed.request.query));
  for (const Candidate& candidate : parsed.request.documents)
    require(!candidate.document.empty() && is_utf8(candidate.document));
  for (const auto& [name, history] : parsed.request.histories)
    require(name == "long" && history.size() <= limits.max_history);
}

}  // namespace
}  // namespace lemur

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lemur;  // NOLINT(google-build-using-namespace)
  static const RankSchema schema = make_schema();
  static const RequestLimits limits = small_limits();
  const std::string body(reinterpret_cast<const char*>(data), size);
  try_parse(body, [](std::string& text) {
    check_rank(parse_rank(text, schema, limits, "id", kNow), limits);
  });
  try_parse(body, [](std::string& text) { parse_embed(text, schema, limits); });
  try_parse(body, [](std::string& text) {
    for (const FeedbackEvent& event : parse_feedback(text, schema, limits, "id", kNow))
      require(!event.id.empty() && event_from_json(event_to_json(event)) == event);
  });
  try_parse(body, [](std::string& text) {
    require(!parse_infer(text, schema, limits, kNow).request.documents.empty());
  });
  return 0;
}
