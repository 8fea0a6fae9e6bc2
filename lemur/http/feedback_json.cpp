#include "lemur/http/feedback_json.h"

#include <algorithm>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

using simdjson::dom::element;

void read_labels(element value, const JsonPath& path, const RankSchema& schema,
                 FeedbackEvent& event) {
  read_map(value, path, [&](std::string_view name, element label, const JsonPath& place) {
    check_name(name, place, "label", schema.labels);
    const double number = read_number(label, place);
    if (number != 0 && number != 1) refuse_meaning(place, "a label is 0 or 1");
    event.labels.emplace(name, number);
  });
}

/// Reads an event; `has_time` tells whether it names one.
FeedbackEvent read_event(element value, const JsonPath& path, const RankSchema& schema,
                         const RequestLimits& limits, int64_t now_ms, bool& has_time) {
  FeedbackEvent event;
  const auto visit = [&](size_t key, element member, const JsonPath& place) {
    switch (key) {
      case 0:
        event.id = read_id(member, place);
        break;
      case 1:
        event.user = read_id(member, place);
        break;
      case 2:
        event.document = read_id(member, place);
        break;
      case 3:
        event.time_ms = read_time(member, place, schema, now_ms);
        has_time = true;
        break;
      case 4:
        event.request = read_id(member, place);
        break;
      case 5:
        event.query = read_text(member, place, limits.max_text_bytes);
        break;
      case 6:
        read_labels(member, place, schema, event);
        break;
      case 7:
        event.action = read_text(member, place, limits.max_text_bytes);
        check_name(event.action, place, "action", schema.actions);
        break;
      default:
        for (auto& [name, feature] :
             read_features(member, place, schema, limits, FeatureOwner::kEvent)) {
          if (feature.number)
            event.features.emplace(name, *feature.number);
          else
            event.features.emplace(name, feature.categories);
        }
    }
  };
  read_object(
      value, path,
      {"id", "user", "document", "time_ms", "request", "query", "labels", "action", "features"},
      visit);
  if (event.user.empty()) refuse_value(path["user"], "the user's ID is missing");
  if (event.document.empty()) refuse_value(path["document"], "the document's ID is missing");
  if (event.labels.empty() && event.action.empty())
    refuse_meaning(path, "the event says nothing: 'labels' and 'action' are missing");
  return event;
}

}  // namespace

std::vector<FeedbackEvent> parse_feedback(std::string& body, const RankSchema& schema,
                                          const RequestLimits& limits, std::string_view request_id,
                                          int64_t now_ms) {
  const element root = parse_json(body);
  std::vector<FeedbackEvent> events;
  bool has_events = false;
  const JsonPath path;
  read_object(root, path, {"events"}, [&](size_t, element list, const JsonPath& list_path) {
    has_events = true;
    read_array(list, list_path, limits.max_events,
               [&](size_t index, element value, const JsonPath& place) {
                 bool has_time = false;
                 FeedbackEvent event = read_event(value, place, schema, limits, now_ms, has_time);
                 if (event.id.empty())
                   event.id = fmt::format("{}/{}/{:016x}", request_id, index,
                                          hash_bytes(event_to_json(event)));
                 // Set behind the ID: a retry is the same event at a later time.
                 if (!has_time) event.time_ms = now_ms;
                 events.push_back(std::move(event));
               });
  });
  if (!has_events) refuse_value(path["events"], "the events are missing");
  if (events.empty()) refuse_meaning(path["events"], "there are no events");
  return events;
}

}  // namespace lemur
