#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/data/sample_store.h"

namespace lemur {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::Feature, name, of, is_number, is_document_id, width,
                                   admit_after, init_scale, expire_days, mean, deviation)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::Split, name, begin, end)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::TextField, name, max_tokens)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::ImageField, name, pixels, num_images)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema::History, name, length)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StoreSchema, text, images, features, histories, labels, actions,
                                   splits, has_queries, has_requests, vocabulary_size,
                                   num_documents, num_users, num_queries, num_events)

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

}  // namespace

nlohmann::json StoreSchema::to_json() const { return *this; }

StoreSchema StoreSchema::from_json(const nlohmann::json& json) {
  StoreSchema schema;
  try {
    nlohmann::json complete = json;
    for (nlohmann::json& feature : complete.at("features"))  // written before there was the key
      if (!feature.contains("init_scale")) feature["init_scale"] = Feature().init_scale;
    schema = complete.get<StoreSchema>();
  } catch (const nlohmann::json::exception& error) {
    fail<DataError>("store", "the schema is damaged: {}", error.what());
  }
  check_images(schema);
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
