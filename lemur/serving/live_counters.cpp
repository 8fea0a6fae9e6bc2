#include "lemur/serving/live_counters.h"

#include <algorithm>

#include "lemur/serving/event_columns.h"

namespace lemur {

LiveCounters::LiveCounters(const Catalogue& catalogue) : catalogue_(catalogue) {
  const auto& counters = catalogue.store().schema().counters;
  for (size_t c = 0; c < counters.size(); ++c) {
    auto& parts = parts_.emplace_back();
    for (size_t i = 0; i < counters[c].by.size(); ++i) parts.push_back(part_of(counters[c], i));
    indices_.emplace_back(counters[c]);
    build(c);
  }
}

LiveCounters::Part LiveCounters::part_of(const StoreSchema::Counter& counter, size_t column) const {
  const auto& columns = catalogue_.options().data.columns;
  const auto& features = catalogue_.store().schema().features;
  const auto feature = std::ranges::find(features, counter.by[column], &StoreSchema::Feature::name);
  Part part{.column = counter.by[column],
            .feature = feature == features.end() ? nullptr : &*feature};
  if (counter.of_document[column] != 0)
    part.source = Part::Source::kDocumentColumn;
  else if (part.column == columns.user)
    part.source = Part::Source::kUser;
  else if (part.column == columns.document)
    part.source = Part::Source::kDocument;
  else if (part.column == columns.query)
    part.source = Part::Source::kQuery;
  else if (part.feature != nullptr)
    part.source = Part::Source::kFeature;
  return part;
}

void LiveCounters::build(size_t counter) {
  const SampleStore& store = catalogue_.store();
  const StoreSchema& schema = store.schema();
  const StoreSchema::Counter& counted = schema.counters[counter];
  const auto label = std::ranges::find(schema.labels, counted.label) - schema.labels.begin();
  const auto labels = store.labels(static_cast<size_t>(label));
  std::vector<uint64_t> keys;
  std::vector<int64_t> times;
  std::vector<uint8_t> is_positive;
  for (const StoreSchema::Split& split : schema.splits) {
    if (!counted.splits.empty() &&
        std::ranges::find(counted.splits, split.name) == counted.splits.end())
      continue;
    const auto of_split = [&](const auto& column) {
      return column.subspan(split.begin, split.end - split.begin);
    };
    const auto append = [&](auto& all, const auto& column) {
      const auto added = of_split(column);
      all.insert(all.end(), added.begin(), added.end());
    };
    append(keys, store.counter_keys(counter));
    append(times, store.times());
    append(is_positive, labels);
  }
  indices_[counter].build(std::move(keys), std::move(times), std::move(is_positive));
}

uint64_t LiveCounters::key(size_t counter, const Subject& subject) const {
  const auto part_of_id = [](const std::string& id) {
    return counter_part(id.empty() ? std::nullopt : std::optional<std::string_view>(id));
  };
  std::vector<uint64_t> parts;
  parts.reserve(parts_[counter].size());
  for (size_t i = 0; i < parts_[counter].size(); ++i) {
    const Part& part = parts_[counter][i];
    const FeatureValue* value =
        part.feature == nullptr ? nullptr : find_given(subject, part.column);
    if (part.source == Part::Source::kUser)
      parts.push_back(part_of_id(subject.request->user));
    else if (part.source == Part::Source::kDocument)
      parts.push_back(part_of_id(subject.candidate->document));
    else if (part.source == Part::Source::kQuery)
      parts.push_back(part_of_id(subject.request->query));
    else if (value != nullptr)
      parts.push_back(counter_part(text_of(*value, *part.feature)));
    else if (part.source == Part::Source::kDocumentColumn && subject.document != kNone)
      parts.push_back(catalogue_.store().counter_parts(counter, i)[subject.document]);
    else
      parts.push_back(counter_part(std::nullopt));
  }
  return counter_key(parts);
}

void LiveCounters::add(const FeedbackEvent& event) {
  const RankRequest request = request_of(event);
  const Subject subject{&request, &request.documents[0], catalogue_.user(event.user),
                        catalogue_.document(event.document)};
  const auto& counters = catalogue_.store().schema().counters;
  for (size_t c = 0; c < counters.size(); ++c)
    if (const auto label = event.labels.find(counters[c].label); label != event.labels.end())
      indices_[c].add(key(c, subject), event.time_ms, label->second > 0);
}

CounterValues LiveCounters::find(size_t counter, const Subject& subject) const {
  const CounterState state =
      indices_[counter].find(key(counter, subject), subject.request->time_ms);
  return counter_values(state, catalogue_.store().schema().counters[counter].smoothing);
}

std::vector<std::string> LiveCounters::missing(size_t counter) const {
  std::vector<std::string> columns;
  for (const Part& part : parts_[counter])
    if (part.source == Part::Source::kNothing) columns.push_back(part.column);
  return columns;
}

}  // namespace lemur
