#include "lemur/serving/feature_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/data/separated.h"

namespace lemur {
namespace {

const FeatureValue* find_given(const FeatureValues& values, const std::string& name) {
  const auto found = values.find(name);
  return found == values.end() ? nullptr : &found->second;
}

}  // namespace

FeatureReader::FeatureReader(const Catalogue& catalogue) : catalogue_(catalogue) {
  for (const StoreSchema::Feature& feature : catalogue.store().schema().features) {
    Feature known{source_of(feature), ""};
    for (const FeatureOptions& option : catalogue.options().data.feature)
      if (option.column == feature.name && option.of == feature.of)
        known.separator = option.separator;
    sources_.push_back(known);
  }
}

FeatureReader::Source FeatureReader::source_of(const StoreSchema::Feature& feature) const {
  const auto& columns = catalogue_.options().data.columns;
  if (feature.is_document_id) return Source::kDocumentId;
  if (feature.of == "document") return Source::kDocument;
  if (!feature.is_number && feature.name == columns.user) return Source::kUserId;
  if (!feature.is_number && !columns.query.empty() && feature.name == columns.query)
    return Source::kQuery;
  if (feature.of == "user") return Source::kUserEvent;
  return source_of_counter(feature.name);
}

FeatureReader::Source FeatureReader::source_of_counter(const std::string& name) const {
  const DataOptions& data = catalogue_.options().data;
  const auto is_of_document = [&](const std::string& column) {
    return column == data.columns.document ||
           std::ranges::any_of(data.feature, [&](const FeatureOptions& feature) {
             return feature.of == "document" && feature.column == column;
           });
  };
  for (const CounterOptions& counter : data.counter) {
    if (!name.ends_with(fmt::format("({})", fmt::join(counter.by, ", ")))) continue;
    if (counter.by == std::vector{data.columns.user}) return Source::kUserEvent;
    if (std::ranges::all_of(counter.by, is_of_document)) return Source::kDocumentEvent;
  }
  return Source::kNone;
}

void FeatureReader::append(size_t feature, const Subject& subject, Batch::Feature& values) const {
  const std::string& name = catalogue_.store().schema().features[feature].name;
  const FeatureValue* given = find_given(subject.candidate->features, name);
  if (given == nullptr) given = find_given(subject.request->features, name);
  if (given != nullptr) return append_given(feature, *given, values);
  const auto newest = [&](uint32_t index, auto event) {
    return index == kNone ? std::nullopt : (catalogue_.*event)(index);
  };
  switch (sources_[feature].source) {
    case Source::kDocumentId:
      return append_names(feature, {subject.candidate->document}, values);
    case Source::kUserId:
      return append_names(feature, {subject.request->user}, values);
    case Source::kQuery:
      return append_names(feature, {subject.request->query}, values);
    case Source::kDocument:
      return append_row(
          feature,
          subject.document == kNone ? std::nullopt : std::optional<uint64_t>(subject.document),
          values);
    case Source::kUserEvent:
      return append_row(feature, newest(subject.user, &Catalogue::newest_event_of_user), values);
    case Source::kDocumentEvent:
      return append_row(feature, newest(subject.document, &Catalogue::newest_event_of_document),
                        values);
    case Source::kNone:
      return append_row(feature, std::nullopt, values);
  }
}

void FeatureReader::append_given(size_t feature, const FeatureValue& value,
                                 Batch::Feature& values) const {
  const StoreSchema::Feature& schema = catalogue_.store().schema().features[feature];
  if (schema.is_number != value.number.has_value())
    fail<InvalidArgument>("rank", "feature '{}' takes {}", schema.name,
                          schema.is_number ? "a number" : "names");
  if (!schema.is_number) return append_names(feature, value.categories, values);
  values.numbers.push_back(schema.scale.apply(*value.number));
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
  values.offsets.push_back(static_cast<uint32_t>(values.keys.size()));
}

void FeatureReader::append_names(size_t feature, const std::vector<std::string>& names,
                                 Batch::Feature& values) const {
  for (const std::string& name : names)
    for_each_part(name, sources_[feature].separator, [&](std::string_view part) {
      if (!part.empty()) values.keys.push_back(hash_bytes(part));
    });
  values.offsets.push_back(static_cast<uint32_t>(values.keys.size()));
}

}  // namespace lemur
