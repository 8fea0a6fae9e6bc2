#include "lemur/serving/event_columns.h"

#include <fmt/format.h>

#include <algorithm>

#include "lemur/features/action.h"
#include "lemur/features/category.h"

namespace lemur {
namespace {

FeatureValue value_of(const std::variant<double, std::vector<std::string>>& held) {
  if (const auto* number = std::get_if<double>(&held)) return {{}, *number};
  return {std::get<std::vector<std::string>>(held), {}};
}

const StoreSchema::Feature* find_feature(const StoreSchema& schema, std::string_view name) {
  const auto found = std::ranges::find(schema.features, name, &StoreSchema::Feature::name);
  return found == schema.features.end() ? nullptr : &*found;
}

}  // namespace

std::optional<std::string> text_of(const FeatureValue& value, const StoreSchema::Feature& feature) {
  if (value.number) {
    auto name = name_of_number(*value.number);
    return name ? std::move(name) : fmt::format("{}", *value.number);
  }
  if (value.categories.empty()) return std::nullopt;
  return fmt::format(
      "{}", fmt::join(value.categories, feature.separator.empty() ? " " : feature.separator));
}

std::string_view action_of(const FeedbackEvent& event, const std::vector<std::string>& labels) {
  if (!event.action.empty()) return event.action;
  return action_of_labels(labels, [&](size_t k) {
    const auto found = event.labels.find(labels[k]);
    return found != event.labels.end() && found->second > 0;
  });
}

EventColumns columns_of(const FeedbackEvent& event, const StoreSchema& schema,
                        const ColumnsOptions& columns) {
  EventColumns texts;
  for (const auto& [name, held] : event.features)
    if (const auto* feature = find_feature(schema, name))
      if (auto text = text_of(value_of(held), *feature)) texts[name] = std::move(*text);
  const auto set = [&](const std::string& column, std::string_view text) {
    if (!column.empty() && !text.empty()) texts[column] = text;
  };
  set(columns.user, event.user);
  set(columns.document, event.document);
  set(columns.query, event.query);
  set(columns.request, event.request);
  set(columns.action, action_of(event, schema.labels));
  for (const auto& [name, label] : event.labels)
    texts.insert_or_assign(name, std::string(1, label > 0 ? '1' : '0'));
  return texts;
}

bool can_be_given(std::string_view column, const StoreSchema& schema,
                  const ColumnsOptions& columns) {
  const auto& labels = schema.labels;
  if (std::ranges::find(labels, column) != labels.end()) return true;
  for (const std::string* known :
       {&columns.user, &columns.document, &columns.query, &columns.request, &columns.action})
    if (column == *known) return true;
  const auto* feature = find_feature(schema, column);
  return feature != nullptr && feature->of != "document";
}

RankRequest request_of(const FeedbackEvent& event) {
  RankRequest request{.user = event.user, .query = event.query, .time_ms = event.time_ms};
  for (const auto& [name, held] : event.features) request.features[name] = value_of(held);
  request.documents.push_back({.document = event.document});
  return request;
}

}  // namespace lemur
