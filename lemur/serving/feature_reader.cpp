#include "lemur/serving/feature_reader.h"

#include <algorithm>
#include <cmath>

#include "lemur/base/error.h"
#include "lemur/features/category.h"

namespace lemur {

FeatureReader::FeatureReader(const Catalogue& catalogue, const LiveCounters& counters)
    : catalogue_(catalogue), counters_(counters) {
  const size_t num_features = catalogue.store().schema().features.size();
  for (size_t f = 0; f < num_features; ++f) sources_.push_back(source_of(f));
}

FeatureReader::Source FeatureReader::source_of(size_t index) const {
  using Kind = Source::Kind;
  const StoreSchema& schema = catalogue_.store().schema();
  const StoreSchema::Feature& feature = schema.features[index];
  const auto& columns = catalogue_.options().data.columns;
  for (size_t c = 0; c < schema.counters.size(); ++c) {
    if (schema.counters[c].rate_feature == index) return {Kind::kRate, c};
    if (schema.counters[c].count_feature == index) return {Kind::kCount, c};
  }
  if (feature.is_match)
    return {Kind::kMatch,
            static_cast<size_t>(std::count_if(
                schema.features.begin(), schema.features.begin() + static_cast<ptrdiff_t>(index),
                [](const auto& before) { return before.is_match; }))};
  if (feature.is_document_id) return {Kind::kDocumentId};
  if (feature.of == "document") return {Kind::kDocument};
  if (!feature.is_number && feature.name == columns.user) return {Kind::kUserId};
  if (!feature.is_number && !columns.query.empty() && feature.name == columns.query)
    return {Kind::kQuery};
  return {feature.of == "user" ? Kind::kUserEvent : Kind::kNone};
}

void FeatureReader::append(size_t feature, const Subject& subject, Batch::Feature& values) const {
  using Kind = Source::Kind;
  const std::string& name = catalogue_.store().schema().features[feature].name;
  if (const FeatureValue* given = find_given(subject, name))
    return append_given(feature, *given, values);
  const Source& source = sources_[feature];
  switch (source.kind) {
    case Kind::kDocumentId:
      return append_text(feature, subject.candidate->document, values);
    case Kind::kUserId:
      return append_text(feature, subject.request->user, values);
    case Kind::kQuery:
      return append_text(feature, subject.request->query, values);
    case Kind::kDocument:
      return append_row(
          feature,
          subject.document == kNone ? std::nullopt : std::optional<uint64_t>(subject.document),
          values);
    case Kind::kUserEvent:
      return append_row(
          feature,
          subject.user == kNone ? std::nullopt : catalogue_.newest_event_of_user(subject.user),
          values);
    case Kind::kRate:
      return append_number(feature, counters_.find(source.index, subject).rate, values);
    case Kind::kCount:
      return append_number(feature, counters_.find(source.index, subject).count, values);
    case Kind::kMatch:
      return values.numbers.push_back(subject.match[source.index]);
    case Kind::kNone:
      return append_row(feature, std::nullopt, values);
  }
}

void FeatureReader::append_given(size_t feature, const FeatureValue& value,
                                 Batch::Feature& values) const {
  const StoreSchema::Feature& schema = catalogue_.store().schema().features[feature];
  if (schema.is_number) {
    if (!value.categories.empty())
      fail<InvalidArgument>("rank", "feature '{}' takes a number", schema.name);
    return append_number(feature, value.number.value_or(std::nan("")), values);
  }
  std::vector<std::string> names = value.categories;
  if (value.number) {
    const auto name = name_of_number(*value.number);
    if (!name)
      fail<InvalidArgument>("rank",
                            "feature '{}' takes names; {} is no whole number that could be one",
                            schema.name, *value.number);
    names = {*name};
  }
  for (const std::string& name : names)
    for_each_item(name, schema.is_list ? "" : std::string_view(schema.separator),
                  [&](std::string_view item) { values.keys.push_back(category_key(item)); });
  values.offsets.push_back(values.keys.size());
}

void FeatureReader::append_number(size_t feature, double value, Batch::Feature& values) const {
  const StoreSchema::Feature& schema = catalogue_.store().schema().features[feature];
  const float scaled = schema.scale.apply(value);
  if (!std::isfinite(scaled))
    fail<InvalidArgument>("rank", "feature '{}': {} is beyond what float32 holds", schema.name,
                          value);
  values.numbers.push_back(scaled);
}

void FeatureReader::append_row(size_t feature, std::optional<uint64_t> row,
                               Batch::Feature& values) const {
  const SampleStore& store = catalogue_.store();
  if (store.schema().features[feature].is_number) {
    values.numbers.push_back(row ? store.numbers(feature)[*row] : 0.0F);
    return;
  }
  if (row) {
    const auto keys = store.categories(feature)[*row];
    values.keys.insert(values.keys.end(), keys.begin(), keys.end());
  }
  values.offsets.push_back(values.keys.size());
}

/// Appends the items of a column's text.
void FeatureReader::append_text(size_t feature, std::string_view text,
                                Batch::Feature& values) const {
  for_each_item(text, catalogue_.store().schema().features[feature].separator,
                [&](std::string_view item) { values.keys.push_back(category_key(item)); });
  values.offsets.push_back(values.keys.size());
}

}  // namespace lemur
