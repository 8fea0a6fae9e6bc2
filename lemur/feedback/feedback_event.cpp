#include "lemur/feedback/feedback_event.h"

#include <nlohmann/json.hpp>

#include "lemur/base/error.h"

namespace lemur {

std::string event_to_json(const FeedbackEvent& event) {
  nlohmann::ordered_json json;
  json["id"] = event.id;
  json["user"] = event.user;
  json["document"] = event.document;
  json["time_ms"] = event.time_ms;
  if (!event.request.empty()) json["request"] = event.request;
  if (!event.query.empty()) json["query"] = event.query;
  if (!event.labels.empty()) json["labels"] = event.labels;
  if (!event.action.empty()) json["action"] = event.action;
  for (const auto& [name, value] : event.features)
    std::visit([&, &name = name](const auto& held) { json["features"][name] = held; }, value);
  return json.dump();
}

FeedbackEvent event_from_json(std::string_view text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    FeedbackEvent event;
    event.id = json.at("id");
    event.user = json.at("user");
    event.document = json.at("document");
    event.time_ms = json.at("time_ms");
    event.request = json.value("request", "");
    event.query = json.value("query", "");
    event.labels = json.value("labels", event.labels);
    event.action = json.value("action", "");
    if (!json.contains("features")) return event;
    for (const auto& [name, value] : json.at("features").items()) {
      if (value.is_number())
        event.features[name] = value.get<double>();
      else
        event.features[name] = value.get<std::vector<std::string>>();
    }
    return event;
  } catch (const nlohmann::json::exception& error) {
    fail<DataError>("feedback", "'{}' is no event: {}", text.substr(0, 200), error.what());
  }
}

}  // namespace lemur
