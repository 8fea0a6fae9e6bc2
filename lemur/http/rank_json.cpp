#include "lemur/http/rank_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "lemur/base/config.h"
#include "lemur/features/time_rule.h"
#include "lemur/http/json_text.h"

namespace lemur {
namespace {

using simdjson::dom::element;

struct Reader {
  const RankSchema& schema;
  const RequestLimits& limits;
  int64_t now_ms;

  std::map<std::string, std::string, std::less<>> texts(element value, const JsonPath& path) const;
  Candidate candidate(element value, const JsonPath& path) const;
  PastAction action(element value, const JsonPath& path) const;
  void histories(element value, const JsonPath& path, RankRequest& request) const;
};

std::map<std::string, std::string, std::less<>> Reader::texts(element value,
                                                              const JsonPath& path) const {
  std::map<std::string, std::string, std::less<>> texts;
  read_map(value, path, [&](std::string_view name, element text, const JsonPath& place) {
    check_name(name, place, "text field", schema.text_fields);
    texts.emplace(name, read_text(text, place, limits.max_text_bytes));
  });
  return texts;
}

Candidate Reader::candidate(element value, const JsonPath& path) const {
  Candidate candidate;
  if (!value.is_object()) {
    candidate.document = read_id(value, path);
    return candidate;
  }
  read_object(value, path, {"id", "texts", "features"},
              [&](size_t key, element member, const JsonPath& place) {
                if (key == 0) candidate.document = read_id(member, place);
                if (key == 1) candidate.texts = texts(member, place);
                if (key == 2)
                  candidate.features =
                      read_features(member, place, schema, limits, FeatureOwner::kDocument);
              });
  if (candidate.document.empty()) refuse_value(path["id"], "the document's ID is missing");
  return candidate;
}

PastAction Reader::action(element value, const JsonPath& path) const {
  PastAction action;
  bool has_time = false;
  read_object(value, path, {"document", "time_ms", "action"},
              [&](size_t key, element member, const JsonPath& place) {
                if (key == 0) action.document = read_id(member, place);
                if (key == 1) {
                  action.time_ms = read_time(member, place, schema, now_ms);
                  has_time = true;
                }
                if (key == 2) {
                  action.action = read_text(member, place, limits.max_text_bytes);
                  check_name(action.action, place, "action", schema.actions);
                }
              });
  if (action.document.empty()) refuse_value(path["document"], "the document's ID is missing");
  if (!has_time) refuse_value(path["time_ms"], "the time of the action is missing");
  return action;
}

void Reader::histories(element value, const JsonPath& path, RankRequest& request) const {
  std::vector<std::string> names;
  for (const RankSchema::History& history : schema.histories) names.push_back(history.name);
  read_map(value, path, [&](std::string_view name, element actions, const JsonPath& place) {
    check_name(name, place, "history", names);
    std::vector<PastAction>& history = request.histories[std::string(name)];
    history.clear();
    read_array(actions, place, limits.max_history,
               [&](size_t, element past, const JsonPath& past_place) {
                 history.push_back(action(past, past_place));
               });
  });
}

std::chrono::steady_clock::time_point deadline_in(int64_t milliseconds) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

FeatureValue read_feature(element value, const JsonPath& path, const RankSchema::Feature& schema,
                          const RequestLimits& limits) {
  FeatureValue feature;
  if (value.is_null()) return feature;
  if (schema.is_number) {
    if (!value.is_number()) refuse_meaning(path, "the feature is a number");
    feature.number = read_number(value, path);
    if (!std::isfinite(schema.scale.apply(*feature.number)))
      refuse_value(path, fmt::format("{} is beyond what float32 holds", *feature.number));
    return feature;
  }
  if (!value.is_array()) {
    feature.categories.push_back(read_id(value, path));
    return feature;
  }
  read_array(value, path, limits.max_categories, [&](size_t, element one, const JsonPath& place) {
    feature.categories.push_back(read_id(one, place));
  });
  return feature;
}

void append_parts(std::string& out, const ScoreParts& parts) {
  out += R"(,"parts":{"query_cosine":)";
  append_json(out, parts.query_cosine.value_or(std::numeric_limits<double>::quiet_NaN()));
  out += R"(,"nearest":)";
  append_list(out, parts.nearest, [&](const ScoreParts::Neighbour& neighbour) {
    out += R"({"document":)";
    append_json(out, neighbour.document);
    out += R"(,"cosine":)";
    append_json(out, neighbour.cosine);
    out += '}';
  });
  out += R"(,"groups":{)";
  append_joined(out, parts.groups, [&](const auto& group) {
    append_json(out, group.first);
    out += ':';
    append_json(out, group.second);
  });
  out += "}}";
}

void append_document(std::string& out, const RankedDocument& document, std::string_view id,
                     size_t rank, const RankSchema& schema) {
  out += R"({"id":)";
  append_json(out, id);
  out += R"(,"score":)";
  append_json(out, document.scores.at(0));
  out += R"(,"scores":{)";
  auto score = document.scores.begin();
  append_joined(out, schema.labels, [&](const std::string& label) {
    append_json(out, label);
    out += ':';
    append_json(out, *score++);
  });
  out += R"(},"rank":)";
  append_json(out, static_cast<int64_t>(rank));
  out += R"(,"flags":)";
  append_flags(out, document.flags);
  if (document.parts) append_parts(out, *document.parts);
  out += '}';
}

void append_model(std::string& out, std::string_view name, std::string_view version) {
  out += R"("model":{"name":)";
  append_json(out, name);
  out += R"(,"version":)";
  append_json(out, version);
  out += '}';
}

}  // namespace

void check_name(std::string_view name, const JsonPath& path, const std::string& kind,
                const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  if (names.empty()) refuse_meaning(path, fmt::format("the model has no {}", kind));
  refuse_meaning(path, fmt::format("there is no {} of that name; the nearest one is '{}'", kind,
                                   nearest(name.substr(0, 64), names)));
}

int64_t read_time(element value, const JsonPath& path, const RankSchema& schema, int64_t now_ms) {
  constexpr int64_t kMaxTimeMs = 253402300799999;  // the end of the year 9999
  const int64_t time = read_integer(value, path, -kMaxTimeMs, kMaxTimeMs);
  if (!schema.has_declared_times && !is_plausible_time(time, now_ms))
    refuse_value(path, fmt::format("{} is no time in milliseconds from 1990 until now; as "
                                   "milliseconds it is {}",
                                   time, utc_text(time)));
  return time;
}

FeatureValues read_features(element value, const JsonPath& path, const RankSchema& schema,
                            const RequestLimits& limits, FeatureOwner owner) {
  FeatureValues features;
  read_map(value, path, [&](std::string_view name, element given, const JsonPath& place) {
    const auto feature =
        std::find_if(schema.features.begin(), schema.features.end(),
                     [&](const RankSchema::Feature& each) { return each.name == name; });
    if (feature == schema.features.end()) {
      std::vector<std::string> names;
      for (const RankSchema::Feature& each : schema.features) names.push_back(each.name);
      check_name(name, place, "feature", names);
    }
    const bool is_of_document =
        feature->of == "document" || (feature->of == "cross" && owner != FeatureOwner::kEvent);
    if (!feature->is_computed && is_of_document != (owner == FeatureOwner::kDocument))
      refuse_meaning(place, fmt::format("the feature is of '{}': it belongs to {}", feature->of,
                                        is_of_document ? "a document" : "the request"));
    features.emplace(name, read_feature(given, place, *feature, limits));
  });
  return features;
}

ParsedRank parse_rank(std::string& body, const RankSchema& schema, const RequestLimits& limits,
                      std::string_view request_id, int64_t now_ms) {
  const element root = parse_json(body);
  const Reader reader{schema, limits, now_ms};
  ParsedRank parsed;
  RankRequest& request = parsed.request;
  request.id = request_id;
  request.time_ms = now_ms;
  int64_t deadline_ms = limits.default_deadline_ms;
  bool has_documents = false;
  const auto visit = [&](size_t key, element value, const JsonPath& path) {
    switch (key) {
      case 0:
        request.user = read_id(value, path);
        break;
      case 1:
        request.query = read_text(value, path, limits.max_text_bytes);
        break;
      case 2:
        request.id = read_id(value, path);
        break;
      case 3:
        request.time_ms = read_time(value, path, schema, now_ms);
        break;
      case 4:
        request.features = read_features(value, path, schema, limits, FeatureOwner::kRequest);
        break;
      case 5:
        has_documents = true;
        read_array(value, path, limits.max_documents,
                   [&](size_t, element each, const JsonPath& place) {
                     request.documents.push_back(reader.candidate(each, place));
                   });
        break;
      case 6:
        reader.histories(value, path, request);
        break;
      case 7:
        deadline_ms = read_integer(value, path, 1, limits.max_deadline_ms);
        break;
      case 8:
        parsed.top = static_cast<size_t>(read_integer(value, path, 1, 1'000'000));
        break;
      default:
        request.explain = read_bool(value, path);
    }
  };
  const JsonPath path;
  read_object(root, path,
              {"user", "query", "request", "time_ms", "features", "documents", "history",
               "deadline_ms", "top", "explain"},
              visit);
  if (!has_documents) refuse_value(path["documents"], "the documents to rank are missing");
  if (request.documents.empty()) refuse_meaning(path["documents"], "there are no documents");
  request.deadline = deadline_in(deadline_ms);
  return parsed;
}

EmbedRequest parse_embed(std::string& body, const RankSchema& schema, const RequestLimits& limits) {
  const element root = parse_json(body);
  const Reader reader{schema, limits, 0};  // no time is read
  EmbedRequest request;
  int64_t deadline_ms = limits.default_deadline_ms;
  const JsonPath path;
  read_object(root, path, {"query", "document", "deadline_ms"},
              [&](size_t key, element value, const JsonPath& place) {
                if (key == 0) request.query = read_text(value, place, limits.max_text_bytes);
                if (key == 1) request.document = reader.candidate(value, place);
                if (key == 2) deadline_ms = read_integer(value, place, 1, limits.max_deadline_ms);
              });
  if (request.query.has_value() == request.document.has_value())
    refuse_value(path, "expected either 'query' or 'document'");
  request.deadline = deadline_in(deadline_ms);
  return request;
}

void append_flags(std::string& out, uint8_t flags) {
  constexpr std::array<std::pair<RankFlag, std::string_view>, 3> kNames = {
      {{kUnknownDocument, "\"unknown_document\""},
       {kEncodedNow, "\"encoded_now\""},
       {kNoContent, "\"no_content\""}}};
  std::vector<std::string_view> set;
  for (const auto& [flag, name] : kNames)
    if ((flags & flag) != 0) set.push_back(name);
  append_list(out, set, [&](std::string_view name) { out += name; });
}

std::string rank_answer_json(const RankAnswer& answer, const std::vector<std::string>& documents,
                             const RankSchema& schema, const RankAnswerContext& context) {
  const size_t shown =
      context.top == 0 ? documents.size() : std::min(context.top, documents.size());
  std::vector<uint32_t> ranks(documents.size());
  for (size_t i = 0; i < answer.order.size(); ++i) ranks.at(answer.order[i]) = i + 1;
  std::string out;
  out.reserve(256 + 128 * shown);
  out = R"({"request":)";
  append_json(out, context.request_id);
  out += ',';
  append_model(out, context.model_name, answer.model_version);
  const std::span best = std::span(answer.order).first(shown);
  std::vector<uint32_t> listed(best.begin(), best.end());
  if (context.top == 0) std::ranges::sort(listed);  // all of them, as they were asked for
  out += R"(,"documents":)";
  append_list(out, listed, [&](size_t i) {
    append_document(out, answer.documents.at(i), documents[i], ranks[i], schema);
  });
  out += R"(,"order":)";
  append_list(out, best, [&](size_t i) { append_json(out, documents[i]); });
  out += R"(,"timings_ms":{"queue":)";
  append_json(out, answer.queue_ms);
  out += R"(,"prepare":)";
  append_json(out, answer.prepare_ms);
  out += R"(,"score":)";
  append_json(out, answer.score_ms);
  out += R"(,"total":)";
  append_json(out, context.total_ms);
  out += "}}\n";
  return out;
}

std::string embed_answer_json(const EmbedAnswer& answer, std::string_view request_id,
                              std::string_view model_name) {
  std::string out = R"({"request":)";
  append_json(out, request_id);
  out += ',';
  append_model(out, model_name, answer.model_version);
  out += R"(,"from_bank":)";
  out += answer.from_bank ? "true" : "false";
  out += R"(,"vector":)";
  append_list(out, answer.vector, [&](float number) { append_json(out, number); });
  return out + "}\n";
}

}  // namespace lemur
