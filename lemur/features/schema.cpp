#include "lemur/features/schema.h"

#include <algorithm>

#include "lemur/base/error.h"

namespace lemur {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::Feature, name, of, is_number, is_document_id, width,
                                   admit_after, init_scale, expire_days, separator, is_list, scale,
                                   is_match)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::Split, name, begin, end)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::TextField, name, max_tokens)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::ImageField, name, pixels, num_images)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::History, name, length, where, delay_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::Counter, by, of_document, label, window_ms,
                                   delay_ms, smoothing, splits, rate_feature, count_feature)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::Match, fields, k1, b, mean_words, num_documents,
                                   first_feature)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema, text, images, features, counters, matches,
                                   histories, labels, actions, splits, has_queries, has_requests,
                                   has_declared_times, vocabulary_size, num_documents, num_users,
                                   num_queries, num_events)

namespace {

constexpr int64_t kMaxPixels = 65535;

void check_images(const StoreSchema& schema) {
  for (const auto& field : schema.images)
    if (field.pixels < 1 || field.pixels > kMaxPixels || field.num_images > schema.num_documents)
      fail<DataError>("store",
                      "the schema is damaged: image field '{}' has {} images of {} pixels a side, "
                      "of {} documents",
                      field.name, field.num_images, field.pixels, schema.num_documents);
}

void check_counters(const StoreSchema& schema) {
  for (const auto& counter : schema.counters)
    if (counter.by.size() != counter.of_document.size() ||
        std::max(counter.rate_feature, counter.count_feature) >= schema.features.size())
      fail<DataError>(
          "store", "the schema is damaged: a counter by {} columns names features {} and {} of {}",
          counter.by.size(), counter.rate_feature, counter.count_feature, schema.features.size());
}

}  // namespace

nlohmann::json StoreSchema::to_json() const { return *this; }

StoreSchema StoreSchema::from_json(const nlohmann::json& json) {
  StoreSchema schema;
  try {
    schema = json.get<StoreSchema>();
  } catch (const nlohmann::json::exception& error) {
    fail<DataError>("store", "the schema is damaged: {}", error.what());
  }
  check_images(schema);
  check_counters(schema);
  uint64_t begin = 0;
  for (const Split& split : schema.splits) {
    if (split.begin != begin || split.end < split.begin)
      fail<DataError>("store",
                      "the schema is damaged: split '{}' is [{}, {}), expected to start at {}",
                      split.name, split.begin, split.end, begin);
    begin = split.end;
  }
  if (begin != schema.num_events)
    fail<DataError>("store", "the schema is damaged: its splits end at {}; there are {} events",
                    begin, schema.num_events);
  return schema;
}

const StoreSchema::Split& StoreSchema::split(std::string_view name) const {
  auto found = std::ranges::find(splits, name, &Split::name);
  if (found != splits.end()) return *found;
  std::string names;
  for (const Split& split : splits) names += (names.empty() ? "" : ", ") + split.name;
  fail<InvalidArgument>("store", "there is no split '{}'; the store has: {}", name, names);
}

}  // namespace lemur
