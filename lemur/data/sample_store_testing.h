// For tests and benches: writes sample stores by hand, without ingest.
#pragma once

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lemur/base/hash.h"
#include "lemur/base/testing.h"
#include "lemur/data/sample_store.h"

namespace lemur {

/// Everything that a store holds, as plain values. The counts of `schema` are set when written.
struct StoreContent {
  struct Event {
    int64_t time = 0;
    uint32_t user = 0, document = 0, query = kNone;
    uint64_t request = 0;
    float weight = 1;
    std::vector<uint8_t> labels;  ///< one per label of the schema
    std::string request_id;       ///< written if schema.has_requests
  };
  struct Feature {
    std::vector<std::vector<uint64_t>> keys;  ///< of a category: one list per row
    std::vector<float> numbers;               ///< of a number: one per row
  };
  struct Counter {
    std::vector<uint64_t> keys;                ///< one per event
    std::vector<std::vector<uint64_t>> parts;  ///< per column; one per document where it is of them
  };
  struct Action {
    uint32_t user = 0, document = 0;
    int64_t time = 0;
    uint8_t action = 0;
  };
  StoreSchema schema;
  std::vector<std::string> document_ids, user_ids, query_texts;
  std::vector<std::vector<int32_t>> document_tokens;  ///< row = document * num_fields + field
  std::vector<std::vector<int32_t>> query_tokens;
  /// Per image field, per document: its pixels; empty: no image.
  std::vector<std::vector<std::vector<uint8_t>>> images;
  std::vector<Event> events;  ///< in the order of the store
  std::vector<Feature> features;
  std::vector<Counter> counters;
  std::vector<std::vector<Action>> histories;  ///< per history, in any order
};

namespace store_testing {

template <typename T>
void write_column(const std::filesystem::path& path, const std::vector<T>& items) {
  ColumnFile file(path);
  file.append(items.data(), items.size() * sizeof(T));
  file.close();
}

/// Writes `<stem>.offsets.u64` and `<stem><items>`.
template <typename Row>
void write_ragged(FolderWriter& folder, const std::string& stem, const std::string& items,
                  const std::vector<Row>& rows) {
  std::vector<uint64_t> offsets = {0};
  ColumnFile file(folder.file(stem + items));
  for (const Row& row : rows) {
    file.append(row.data(), row.size() * sizeof(row[0]));
    offsets.push_back(offsets.back() + row.size());
  }
  file.close();
  write_column(folder.file(stem + ".offsets.u64"), offsets);
}

inline std::vector<uint64_t> keys_of(const std::vector<std::string>& texts) {
  std::vector<uint64_t> keys;
  for (const std::string& text : texts) keys.push_back(hash_bytes(text));
  return keys;
}

inline void write_contents(FolderWriter& folder, const StoreContent& content) {
  write_ragged(folder, "document_ids", ".bytes", content.document_ids);
  write_column(folder.file("document_keys.u64"), keys_of(content.document_ids));
  write_ragged(folder, "document_tokens", ".i32", content.document_tokens);
  std::vector<int64_t> first_seen(content.document_ids.size(), std::numeric_limits<int64_t>::max());
  for (const auto& event : content.events)
    if (event.document < first_seen.size())
      first_seen[event.document] = std::min(first_seen[event.document], event.time);
  write_column(folder.file("document_first_seen.i64"), first_seen);
  write_ragged(folder, "query_texts", ".bytes", content.query_texts);
  write_column(folder.file("query_keys.u64"), keys_of(content.query_texts));
  write_ragged(folder, "query_tokens", ".i32", content.query_tokens);
  write_ragged(folder, "user_ids", ".bytes", content.user_ids);
}

inline void write_images(FolderWriter& folder, StoreContent& content) {
  for (size_t i = 0; i < content.schema.images.size(); ++i) {
    std::vector<uint32_t> rows;
    std::vector<uint8_t> pixels;
    uint32_t num_images = 0;
    for (const auto& image : content.images.at(i)) {
      rows.push_back(image.empty() ? kNone : num_images++);
      pixels.insert(pixels.end(), image.begin(), image.end());
    }
    content.schema.images[i].num_images = num_images;
    write_column(folder.file(fmt::format("image_{}.rows.u32", i)), rows);
    write_column(folder.file(fmt::format("image_{}.rgb.u8", i)), pixels);
  }
}

inline void write_events(FolderWriter& folder, const StoreContent& content) {
  auto column = [&]<typename T>(const std::string& name, T (*value)(const StoreContent::Event&)) {
    std::vector<T> items;
    for (const auto& event : content.events) items.push_back(value(event));
    write_column(folder.file(name), items);
  };
  using Event = StoreContent::Event;
  column(
      "event_time.i64", +[](const Event& e) { return e.time; });
  std::map<uint64_t, int64_t> first;  // of each request
  for (const Event& event : content.events)
    first[event.request] =
        std::min(first.try_emplace(event.request, event.time).first->second, event.time);
  std::vector<int64_t> request_times;
  for (const Event& event : content.events) request_times.push_back(first[event.request]);
  write_column(folder.file("event_request_time.i64"), request_times);
  column(
      "event_user.u32", +[](const Event& e) { return e.user; });
  column(
      "event_document.u32", +[](const Event& e) { return e.document; });
  column(
      "event_query.u32", +[](const Event& e) { return e.query; });
  column(
      "event_request.u64", +[](const Event& e) { return e.request; });
  column(
      "event_weight.f32", +[](const Event& e) { return e.weight; });
  std::vector<uint64_t> rows;
  for (size_t row = 0; row < content.events.size(); ++row) rows.push_back(row);
  write_column(folder.file("event_row.u64"), rows);
  for (size_t k = 0; k < content.schema.labels.size(); ++k) {
    std::vector<uint8_t> labels;
    for (const auto& event : content.events) labels.push_back(event.labels.at(k));
    write_column(folder.file(fmt::format("label_{}.u8", k)), labels);
  }
  std::vector<std::string> request_ids;
  for (const auto& event : content.events) request_ids.push_back(event.request_id);
  if (content.schema.has_requests) write_ragged(folder, "request_ids", ".bytes", request_ids);
}

inline void write_features(FolderWriter& folder, const StoreContent& content) {
  for (size_t i = 0; i < content.schema.features.size(); ++i) {
    std::string stem = fmt::format("feature_{}", i);
    if (content.schema.features[i].is_number)
      write_column(folder.file(stem + ".f32"), content.features.at(i).numbers);
    else
      write_ragged(folder, stem, ".keys.u64", content.features.at(i).keys);
  }
}

inline void write_counters(FolderWriter& folder, const StoreContent& content) {
  for (size_t c = 0; c < content.schema.counters.size(); ++c) {
    const auto& of_document = content.schema.counters[c].of_document;
    write_column(folder.file(fmt::format("counter_{}.keys.u64", c)), content.counters.at(c).keys);
    for (size_t j = 0; j < of_document.size(); ++j)
      if (of_document[j] != 0)
        write_column(folder.file(fmt::format("counter_{}.{}.u64", c, j)),
                     content.counters[c].parts.at(j));
  }
}

inline void write_history(FolderWriter& folder, const std::string& stem, size_t num_users,
                          std::vector<StoreContent::Action> actions) {
  std::ranges::stable_sort(actions, {}, [](const auto& a) { return std::pair(a.user, a.time); });
  std::vector<uint64_t> offsets(num_users + 1);
  std::vector<uint32_t> documents;
  std::vector<int64_t> times;
  std::vector<uint8_t> kinds;
  for (const auto& action : actions) {
    ++offsets.at(action.user + 1);
    documents.push_back(action.document);
    times.push_back(action.time);
    kinds.push_back(action.action);
  }
  for (size_t user = 0; user < num_users; ++user) offsets[user + 1] += offsets[user];
  write_column(folder.file(stem + ".offsets.u64"), offsets);
  write_column(folder.file(stem + ".documents.u32"), documents);
  write_column(folder.file(stem + ".times.i64"), times);
  write_column(folder.file(stem + ".actions.u8"), kinds);
}

}  // namespace store_testing

/// Writes a store in the folder `path`, with an event's place as its row of the input.
/// `pieces` become vocab.txt.
inline void write_store(const std::filesystem::path& path, StoreContent content,
                        const std::vector<std::string>& pieces = {"[PAD]", "[UNK]", "[CLS]",
                                                                  "[SEP]", "[MASK]"}) {
  content.schema.num_documents = content.document_ids.size();
  content.schema.num_users = content.user_ids.size();
  content.schema.num_queries = content.query_texts.size();
  content.schema.num_events = content.events.size();
  content.schema.vocabulary_size = static_cast<int64_t>(pieces.size());
  FolderWriter folder(path);
  store_testing::write_contents(folder, content);
  store_testing::write_images(folder, content);
  store_testing::write_events(folder, content);
  store_testing::write_features(folder, content);
  store_testing::write_counters(folder, content);
  for (size_t h = 0; h < content.schema.histories.size(); ++h)
    store_testing::write_history(folder, fmt::format("history_{}", h), content.user_ids.size(),
                                 content.histories.at(h));
  std::string vocabulary;
  for (const std::string& piece : pieces) vocabulary += piece + "\n";
  write_file_atomically(folder.file("vocab.txt"), vocabulary);
  folder.publish({{"format", "lemur sample store"},
                  {"version", SampleStore::kVersion},
                  {"schema", content.schema.to_json()},
                  {"summary", nlohmann::json::object()}});
}

/// Shape of a random store.
struct RandomStoreOptions {
  size_t num_events = 100;  ///< three fifths in "train", one fifth each in "valid" and "test"
  size_t num_documents = 20, num_users = 5, num_queries = 6;
  size_t num_actions = 60;     ///< of each history
  int64_t history_length = 4;  ///< of "clicks"; "long" has ten times as much
  int64_t last_time = 50;      ///< times are drawn from [0, last_time], so that ties abound
  int32_t vocabulary = 100;    ///< token ids are drawn from [5, vocabulary)
  int64_t image_pixels = 0;    ///< side of the images of the field "cover"; 0: no such field
  unsigned seed = 1;
};

namespace store_testing {

using Random = std::mt19937;

/// Returns an integer from [low, high].
template <typename T>
T draw(Random& random, T low, T high) {
  return static_cast<T>(low + static_cast<T>(random() % (static_cast<uint64_t>(high - low) + 1)));
}

inline uint32_t draw_index(Random& random, size_t size) {
  return static_cast<uint32_t>(draw<size_t>(random, 0, size - 1));
}

inline std::vector<int32_t> draw_tokens(Random& random, size_t most, int32_t vocabulary) {
  std::vector<int32_t> tokens(draw<size_t>(random, 0, most));
  for (int32_t& token : tokens) token = draw<int32_t>(random, 5, vocabulary - 1);
  return tokens;
}

inline StoreSchema random_schema(const RandomStoreOptions& options) {
  StoreSchema schema;
  schema.text = {{"title", 6}, {"body", 9}};
  schema.features = {{.name = "document", .of = "document", .is_document_id = true},
                     {.name = "tags", .of = "document"},
                     {.name = "price",
                      .of = "document",
                      .is_number = true,
                      .scale = {.mean = 3.5, .deviation = 0.1}},
                     {.name = "user", .of = "user"},
                     {.name = "rate(user)", .of = "user", .is_number = true}};
  schema.histories = {{"clicks", options.history_length}, {"long", 10 * options.history_length}};
  schema.labels = {"click", "like"};
  schema.actions = {"click", "like", "buy"};
  schema.has_queries = options.num_queries > 0;
  schema.has_requests = true;
  uint64_t n = options.num_events, train = n * 3 / 5, valid = n * 4 / 5;
  schema.splits = {{"train", 0, train}, {"valid", train, valid}, {"test", valid, n}};
  return schema;
}

inline void draw_contents(Random& random, const RandomStoreOptions& options, StoreContent& out) {
  for (size_t d = 0; d < options.num_documents; ++d) {
    out.document_ids.push_back(fmt::format("d{}", d));
    out.document_tokens.push_back(draw_tokens(random, 6, options.vocabulary));
    out.document_tokens.push_back(draw_tokens(random, 9, options.vocabulary));
    out.features[0].keys.push_back({hash_bytes(out.document_ids.back())});
    out.features[1].keys.emplace_back(draw<size_t>(random, 0, 3), 1000 + d);
    out.features[2].numbers.push_back(static_cast<float>(draw(random, 0, 100)) / 10);
  }
  for (size_t u = 0; u < options.num_users; ++u) out.user_ids.push_back(fmt::format("u{}", u));
  for (size_t q = 0; q < options.num_queries; ++q) {
    out.query_texts.push_back(fmt::format("query {}", q));
    out.query_tokens.push_back(draw_tokens(random, 4, options.vocabulary));
  }
}

/// Draws an image for three documents of four.
inline void draw_images(Random& random, const RandomStoreOptions& options, StoreContent& out) {
  if (options.image_pixels == 0) return;
  out.schema.images = {{"cover", options.image_pixels}};
  auto& images = out.images.emplace_back(options.num_documents);
  for (auto& image : images) {
    if (draw(random, 0, 3) == 0) continue;
    image.resize(static_cast<size_t>(3 * options.image_pixels * options.image_pixels));
    for (uint8_t& value : image) value = draw<uint8_t>(random, 0, 255);
  }
}

inline void draw_events(Random& random, const RandomStoreOptions& options, StoreContent& out) {
  for (size_t i = 0; i < options.num_events; ++i) {
    StoreContent::Event event;
    event.time = draw<int64_t>(random, 0, options.last_time);
    event.user = draw_index(random, options.num_users);
    event.document = draw_index(random, options.num_documents);
    if (options.num_queries > 0 && draw(random, 0, 2) > 0)
      event.query = draw_index(random, options.num_queries);
    event.request_id = fmt::format("r{}", draw<size_t>(random, 0, options.num_events / 3));
    event.request = hash_bytes(event.request_id);
    event.weight = static_cast<float>(draw(random, 1, 4)) / 4;
    event.labels = {draw<uint8_t>(random, 0, 1), draw<uint8_t>(random, 0, 1)};
    out.events.push_back(event);
  }
  for (const auto& split : out.schema.splits)
    std::ranges::stable_sort(std::span(out.events).subspan(split.begin, split.end - split.begin),
                             {}, &StoreContent::Event::time);
  for (const auto& event : out.events) {
    out.features[3].keys.push_back({hash_bytes(out.user_ids[event.user])});
    out.features[4].numbers.push_back(static_cast<float>(draw(random, 0, 100)) / 100);
  }
}

}  // namespace store_testing

/// Draws a store: two text fields, categories and numbers of documents and of events, two labels,
/// queries at two thirds of the events, two histories; images where they are asked for, which
/// change nothing else.
inline StoreContent random_store(const RandomStoreOptions& options) {
  using store_testing::draw, store_testing::draw_index;
  store_testing::Random random(options.seed);
  StoreContent content;
  content.schema = store_testing::random_schema(options);
  content.features.resize(content.schema.features.size());
  content.histories.resize(content.schema.histories.size());
  store_testing::draw_contents(random, options, content);
  store_testing::draw_events(random, options, content);
  for (auto& history : content.histories) {
    for (size_t i = 0; i < options.num_actions; ++i) {
      StoreContent::Action action;
      action.user = draw_index(random, options.num_users);
      action.document = draw_index(random, options.num_documents);
      action.time = draw<int64_t>(random, 0, options.last_time);
      action.action = draw<uint8_t>(random, 0, 2);
      history.push_back(action);
    }
  }
  store_testing::draw_images(random, options, content);
  return content;
}

}  // namespace lemur
