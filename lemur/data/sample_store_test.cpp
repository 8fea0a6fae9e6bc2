#include "lemur/data/sample_store.h"

#include <gtest/gtest.h>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

/// A store written into a folder of its own.
struct WrittenStore {
  explicit WrittenStore(const StoreContent& content) { write_store(path(), content); }
  fs::path path() const { return folder.path() / "store"; }
  TemporaryFolder folder;
};

/// Rewrites the manifest by hand.
void edit_manifest(const fs::path& store, const std::function<void(nlohmann::json&)>& edit) {
  auto manifest = nlohmann::json::parse(read_file(store / "manifest.json"));
  edit(manifest);
  write_file_atomically(store / "manifest.json", manifest.dump());
}

TEST(StoreSchema, SurvivesJson) {
  StoreSchema schema = random_store({}).schema;
  schema.num_events = 100;
  schema.num_documents = uint64_t{1} << 40;
  schema.features[2].scale.deviation = 0.1 + 0.2;
  schema.vocabulary_size = 77;
  schema.images = {{"cover", 64, 9}};
  nlohmann::json json = nlohmann::json::parse(schema.to_json().dump());
  StoreSchema back = StoreSchema::from_json(json);
  EXPECT_EQ(back.to_json(), schema.to_json());
  EXPECT_EQ(back.features[2].scale.deviation, 0.1 + 0.2);
  EXPECT_EQ(back.num_documents, uint64_t{1} << 40);
  EXPECT_EQ(back.vocabulary_size, 77);
  EXPECT_TRUE(back.features[0].is_document_id);
  EXPECT_EQ(back.histories[1].name, "long");
  EXPECT_EQ(back.images[0].pixels, 64);
  EXPECT_EQ(back.images[0].num_images, 9u);
  EXPECT_EQ(back.actions, schema.actions);
}

TEST(StoreSchema, RefusesCountersThatCannotBe) {
  StoreSchema schema = random_store({}).schema;
  schema.num_events = schema.splits.back().end;
  schema.counters = {{.by = {"user"}, .of_document = {0}, .label = "click"}};
  EXPECT_EQ(StoreSchema::from_json(schema.to_json()).counters[0].by, schema.counters[0].by);
  schema.counters[0].count_feature = schema.features.size();
  EXPECT_NE(message_of<DataError>([&] {
              StoreSchema::from_json(schema.to_json());
            }).find("the schema is damaged: a counter"),
            std::string::npos);
}

TEST(StoreSchema, NamesTheMissingKey) {
  nlohmann::json json = StoreSchema().to_json();
  json.erase("labels");
  EXPECT_NE(message_of<DataError>([&] { StoreSchema::from_json(json); }).find("'labels' not found"),
            std::string::npos);
}

TEST(StoreSchema, RefusesSplitsThatDoNotTileTheEvents) {
  StoreSchema schema;
  schema.num_events = 10;
  schema.splits = {{"train", 0, 6}, {"test", 7, 10}};
  EXPECT_EQ(message_of<DataError>([&] { StoreSchema::from_json(schema.to_json()); }),
            "[store] the schema is damaged: split 'test' is [7, 10), expected to start at 6");
  schema.splits = {{"train", 0, 6}, {"test", 6, 9}};
  EXPECT_EQ(message_of<DataError>([&] { StoreSchema::from_json(schema.to_json()); }),
            "[store] the schema is damaged: its splits end at 9; there are 10 events");
}

TEST(StoreSchema, RefusesImagesThatCannotBe) {
  StoreSchema schema;
  schema.num_documents = 5;
  for (StoreSchema::ImageField field : {StoreSchema::ImageField{"cover", 0, 5},
                                        {"cover", -3, 5},
                                        {"cover", 65536, 5},
                                        {"cover", 64, 6}}) {
    schema.images = {field};
    expect_error<DataError>([&] { StoreSchema::from_json(schema.to_json()); },
                            "the schema is damaged: image field 'cover' has ");
  }
}

TEST(StoreSchema, NamesTheSplitsThatExist) {
  StoreSchema schema = random_store({}).schema;
  EXPECT_EQ(schema.split("valid").begin, 60u);
  EXPECT_EQ(message_of<InvalidArgument>([&] { schema.split("dev"); }),
            "[store] there is no split 'dev'; the store has: train, valid, test");
}

TEST(SampleStore, ReturnsWhatWasWritten) {
  StoreContent content = random_store({});
  WrittenStore written(content);
  SampleStore store(written.path(), /*verify=*/true);
  for (uint32_t d = 0; d < content.document_ids.size(); ++d) {
    EXPECT_EQ(store.document_id(d), content.document_ids[d]);
    EXPECT_EQ(store.document_keys()[d], hash_bytes(content.document_ids[d]));
    for (size_t field = 0; field < 2; ++field)
      EXPECT_TRUE(std::ranges::equal(store.document_tokens(d, field),
                                     content.document_tokens[2 * d + field]));
    EXPECT_TRUE(std::ranges::equal(store.categories(1)[d], content.features[1].keys[d]));
    EXPECT_EQ(store.numbers(2)[d], content.features[2].numbers[d]);
  }
  for (uint32_t q = 0; q < content.query_texts.size(); ++q) {
    EXPECT_EQ(store.query_text(q), content.query_texts[q]);
    EXPECT_EQ(store.query_keys()[q], hash_bytes(content.query_texts[q]));
    EXPECT_TRUE(std::ranges::equal(store.query_tokens()[q], content.query_tokens[q]));
  }
  EXPECT_EQ(store.user_id(3), "u3");
  EXPECT_EQ(store.schema().num_events, content.events.size());
  EXPECT_EQ(read_file(store.vocabulary_path()).substr(0, 6), "[PAD]\n");
  EXPECT_EQ(store.manifest().at("format"), "lemur sample store");
}

TEST(SampleStore, ReturnsTheImagesThatWereWritten) {
  StoreContent content = random_store({.num_documents = 33, .image_pixels = 5});
  WrittenStore written(content);
  SampleStore store(written.path(), /*verify=*/true);
  ASSERT_EQ(store.schema().images.size(), 1u);
  size_t without = 0;
  for (uint32_t d = 0; d < 33; ++d) {
    EXPECT_TRUE(std::ranges::equal(store.image(d, 0), content.images[0][d])) << d;
    without += content.images[0][d].empty();
  }
  EXPECT_GT(without, 0u);
  EXPECT_EQ(store.schema().images[0].num_images, 33 - without);
}

TEST(SampleStore, NamesTheDocumentWhoseImageIsNotThere) {
  StoreContent content = random_store({.image_pixels = 5});
  WrittenStore written(content);
  std::vector<uint32_t> rows(content.document_ids.size(), 20);  // of at most 20 images
  store_testing::write_column(written.path() / "image_0.rows.u32", rows);
  SampleStore store(written.path());
  expect_error<DataError>([&] { store.image(7, 0); }, "document 7 has image 20 of ");
}

TEST(SampleStore, ReturnsTheEventsThatWereWritten) {
  StoreContent content = random_store({});
  WrittenStore written(content);
  SampleStore store(written.path());
  std::vector<int64_t> first_seen(content.document_ids.size(), std::numeric_limits<int64_t>::max());
  for (size_t i = 0; i < content.events.size(); ++i) {
    const auto& event = content.events[i];
    EXPECT_EQ(store.times()[i], event.time);
    EXPECT_EQ(store.users()[i], event.user);
    EXPECT_EQ(store.documents()[i], event.document);
    EXPECT_EQ(store.queries()[i], event.query);
    EXPECT_EQ(store.requests()[i], event.request);
    EXPECT_EQ(store.rows()[i], i);
    EXPECT_EQ(store.weights()[i], event.weight);
    EXPECT_EQ(store.labels(0)[i], event.labels[0]);
    EXPECT_EQ(store.labels(1)[i], event.labels[1]);
    EXPECT_EQ(store.request_name(i), event.request_id);
    EXPECT_TRUE(std::ranges::equal(store.categories(3)[i], content.features[3].keys[i]));
    EXPECT_EQ(store.numbers(4)[i], content.features[4].numbers[i]);
    first_seen[event.document] = std::min(first_seen[event.document], event.time);
  }
  EXPECT_TRUE(std::ranges::equal(store.document_first_seen(), first_seen));
}

TEST(SampleStore, NamesADerivedRequestByUserAndTime) {
  StoreContent content = random_store({});
  content.schema.has_requests = false;
  WrittenStore written(content);
  SampleStore store(written.path());
  EXPECT_FALSE(fs::exists(written.path() / "request_ids.bytes"));
  EXPECT_EQ(store.request_name(7),
            fmt::format("u{}:{}", content.events[7].user, content.events[7].time));
}

TEST(SampleStore, HistoryIsTheLastActionsStrictlyBeforeTheTime) {
  for (size_t num_actions : {0, 1, 31, 32, 33, 200}) {
    StoreContent content = random_store({.num_actions = num_actions, .last_time = 30});
    WrittenStore written(content);
    SampleStore store(written.path());
    for (size_t h = 0; h < 2; ++h) {
      for (uint32_t user = 0; user < 5; ++user) {
        std::vector<StoreContent::Action> mine;
        for (const auto& action : content.histories[h])
          if (action.user == user) mine.push_back(action);
        std::ranges::stable_sort(mine, {}, &StoreContent::Action::time);
        for (int64_t time = -1; time <= 32; ++time) {
          std::vector<StoreContent::Action> expected;
          for (const auto& action : mine)
            if (action.time < time) expected.push_back(action);
          auto length = static_cast<size_t>(content.schema.histories[h].length);
          if (expected.size() > length)
            expected.erase(expected.begin(), expected.end() - static_cast<ptrdiff_t>(length));
          HistoryView view = store.history(h, user, time);
          ASSERT_EQ(view.size(), expected.size());
          ASSERT_EQ(view.times.size(), expected.size());
          ASSERT_EQ(view.actions.size(), expected.size());
          for (size_t i = 0; i < expected.size(); ++i) {
            ASSERT_EQ(view.documents[i], expected[i].document);
            ASSERT_EQ(view.times[i], expected[i].time);
            ASSERT_EQ(view.actions[i], expected[i].action);
            ASSERT_LT(view.times[i], time);
          }
        }
      }
    }
  }
}

TEST(SampleStore, OpensWithoutAnyRows) {
  StoreContent content;
  content.schema.histories = {{"clicks", 3}};
  content.histories.resize(1);
  WrittenStore written(content);
  SampleStore store(written.path(), /*verify=*/true);
  EXPECT_EQ(store.times().size(), 0u);
  EXPECT_EQ(store.query_tokens().size(), 0u);
}

TEST(SampleStore, RefusesAnotherVersionAndFormat) {
  WrittenStore written(random_store({}));
  edit_manifest(written.path(), [](nlohmann::json& m) { m["version"] = 1; });
  EXPECT_EQ(message_of<DataError>([&] { SampleStore store(written.path()); }),
            fmt::format("[store] {} has version 1; this program reads version {}: ingest again",
                        written.path().string(), SampleStore::kVersion));
  edit_manifest(written.path(), [](nlohmann::json& m) { m["format"] = "lemur run"; });
  EXPECT_EQ(message_of<DataError>([&] { SampleStore store(written.path()); }),
            fmt::format("[store] {} is no sample store: the manifest's format is \"lemur run\"",
                        written.path().string()));
  edit_manifest(written.path(), [](nlohmann::json& m) { m.erase("format"); });
  EXPECT_NE(
      message_of<DataError>([&] { SampleStore store(written.path()); }).find("is no sample store"),
      std::string::npos);
}

TEST(SampleStore, NamesEveryColumnWhoseSizeDiffersFromTheSchema) {
  StoreContent content = random_store({.image_pixels = 5});
  WrittenStore written(content);
  int columns = 0;
  for (const auto& entry : fs::directory_iterator(written.path())) {
    std::string name = entry.path().filename().string();
    if (name == "manifest.json" || name == "vocab.txt") continue;
    ++columns;
    // One item of 8 bytes more, with a manifest that agrees: only the schema can tell.
    std::string bytes = read_file(entry.path());
    write_file_atomically(entry.path(), bytes + std::string(8, '\1'));
    edit_manifest(written.path(),
                  [&](nlohmann::json& m) { m["files"][name]["size_bytes"] = bytes.size() + 8; });
    std::string message = message_of<DataError>([&] { SampleStore store(written.path()); });
    EXPECT_NE(message.find(entry.path().string() + " has "), std::string::npos)
        << name << ": " << message;
    EXPECT_NE(message.find("; the schema says "), std::string::npos) << message;
    write_file_atomically(entry.path(), bytes);
    edit_manifest(written.path(),
                  [&](nlohmann::json& m) { m["files"][name]["size_bytes"] = bytes.size(); });
  }
  EXPECT_EQ(columns, 43);
  SampleStore store(written.path(), /*verify=*/true);
}

TEST(SampleStore, FindsAFlippedBitWhenItVerifies) {
  WrittenStore written(random_store({}));
  fs::path file = written.path() / "history_1.times.i64";
  std::string bytes = read_file(file);
  bytes[40] ^= 4;
  write_file_atomically(file, bytes);
  EXPECT_NO_THROW(SampleStore(written.path()));
  EXPECT_EQ(message_of<DataError>([&] { SampleStore store(written.path(), /*verify=*/true); }),
            fmt::format("[files] {} is damaged: its checksum differs from the manifest's",
                        file.string()));
}

TEST(SampleStore, NamesAMissingColumn) {
  WrittenStore written(random_store({}));
  fs::remove(written.path() / "event_user.u32");
  edit_manifest(written.path(), [](nlohmann::json& m) { m["files"].erase("event_user.u32"); });
  EXPECT_NE(
      message_of<DataError>([&] { SampleStore store(written.path()); }).find("event_user.u32"),
      std::string::npos);
}

TEST(ColumnFile, AppendsInOrderAcrossMoves) {
  TemporaryFolder folder;
  fs::path path = folder.path() / "column.u32";
  for (uint32_t size : {0u, 1u, 31u, 32u, 33u, 100000u}) {
    ColumnFile first(path);
    if (size > 0) first.append(uint32_t{0});
    ColumnFile file(std::move(first));
    for (uint32_t i = 1; i < size; ++i) file.append(i);
    file.close();
    file.close();
    MappedFile mapped(path);
    std::span<const uint32_t> items = mapped.as<uint32_t>();
    ASSERT_EQ(items.size(), size);
    for (uint32_t i = 0; i < size; ++i) ASSERT_EQ(items[i], i);
  }
}

TEST(ColumnFile, ReportsAFullDisk) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  EXPECT_EQ(message_of<DataError>([] {
              ColumnFile file("/dev/full");
              file.append(uint64_t{1});
              file.close();
            }),
            "[store] cannot write /dev/full: No space left on device");
  EXPECT_NE(message_of<DataError>([] {
              ColumnFile file("/nowhere/column");
            }).find("[store] cannot create"),
            std::string::npos);
}

}  // namespace
}  // namespace lemur
