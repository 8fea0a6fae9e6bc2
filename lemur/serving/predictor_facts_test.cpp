#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "lemur/data/image_decoder.h"
#include "lemur/serving/predictor.h"
#include "lemur/serving/serving_testing.h"

namespace lemur {
namespace {

/// A store with images and a predictor without a model: facts need none.
struct FactsTest : public ::testing::Test {
  FactsTest() {
    std::vector<std::string> pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 5; i < 100; ++i) pieces.push_back(fmt::format("word{}", i));
    write_store(folder.path() / "store", content, pieces);
    store = std::make_unique<SampleStore>(folder.path() / "store");
    catalogue = std::make_unique<Catalogue>(*store, Options{});
    predictor = std::make_unique<Predictor>(*catalogue, PredictorOptions{}, observer);
  }

  /// Times of a user's newest actions in the history "clicks", newest first.
  std::vector<int64_t> times_of(uint32_t user, size_t count) const {
    std::vector<int64_t> times;
    for (const auto& action : content.histories[0])
      if (action.user == user) times.push_back(action.time);
    std::ranges::sort(times, std::greater());
    times.resize(std::min(times.size(), count));
    return times;
  }

  StoreContent content = random_store({.num_events = 300, .image_pixels = 8});
  TemporaryFolder folder;
  ServingObserver observer;
  std::unique_ptr<SampleStore> store;
  std::unique_ptr<Catalogue> catalogue;
  std::unique_ptr<Predictor> predictor;
};

TEST_F(FactsTest, TheHistoryIsTheNewestActionsWithTheirTitles) {
  const auto items = predictor->history("u1", "clicks", 100);
  ASSERT_TRUE(items);
  std::vector<int64_t> times;
  for (const HistoryItem& item : *items) {
    times.push_back(item.time_ms);
    EXPECT_EQ(item.title, catalogue->text(catalogue->document(item.document), 0));
    EXPECT_TRUE(std::ranges::count(content.schema.actions, item.action)) << item.action;
  }
  EXPECT_EQ(times, times_of(1, 4));
  EXPECT_EQ(predictor->history("u1", "clicks", 2)->size(), 2u);
  EXPECT_TRUE(predictor->history("nobody", "clicks", 100)->empty());
  EXPECT_FALSE(predictor->history("u1", "likes", 100));
}

TEST_F(FactsTest, FeedbackComesFirstInTheHistoryAndADocumentMayBeUnknown) {
  predictor->learn(event_of("u1", "d3", 1000, "buy"));
  predictor->learn(event_of("u1", "not in the store", 2000, "like"));
  EXPECT_FALSE(predictor->learn(event_of("u1", "d4", 3000, "steal")));
  const auto items = *predictor->history("u1", "clicks", 2);
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].document, "not in the store");
  EXPECT_EQ(items[0].title, "");
  EXPECT_EQ(items[0].action, "like");
  EXPECT_EQ(items[1].document, "d3");
  EXPECT_EQ(items[1].action, "buy");
  EXPECT_EQ(items[1].time_ms, 1000);
}

TEST_F(FactsTest, AnImageIsThePixelsOfTheStore) {
  size_t with_image = 0;
  for (uint32_t d = 0; d < content.document_ids.size(); ++d) {
    const auto& pixels = content.images[0][d];
    const auto png = predictor->image(content.document_ids[d], "");
    ASSERT_EQ(png.has_value(), !pixels.empty());
    if (!png) continue;
    ++with_image;
    std::vector<uint8_t> read(pixels.size());
    EXPECT_EQ(decode_image(*png, 8, 1, read).status, ImageStatus::kOk);
    EXPECT_EQ(read, pixels);
    EXPECT_EQ(predictor->image(content.document_ids[d], "cover"), png);
    EXPECT_FALSE(predictor->image(content.document_ids[d], "back"));
  }
  EXPECT_GT(with_image, 0u);
  EXPECT_FALSE(predictor->image("nobody", ""));
}

TEST_F(FactsTest, ExamplesAreOfTheNewestEventsAndDifferent) {
  const RankExamples few = predictor->examples(3);
  const StoreContent::Event& newest = content.events.back();
  EXPECT_EQ(few.documents.at(0), content.document_ids[newest.document]);
  EXPECT_EQ(few.users.at(0), content.user_ids[newest.user]);
  const RankExamples all = predictor->examples(1000);
  for (const auto* list : {&few.users, &few.queries, &few.documents}) EXPECT_EQ(list->size(), 3u);
  const auto distinct = [](const std::vector<std::string>& texts) {
    return std::set<std::string>(texts.begin(), texts.end()).size();
  };
  EXPECT_EQ(distinct(all.users), content.user_ids.size());
  EXPECT_EQ(distinct(all.queries), content.query_texts.size());
  EXPECT_EQ(distinct(all.documents), content.document_ids.size());
  EXPECT_EQ(all.documents.size(), content.document_ids.size());
}

}  // namespace
}  // namespace lemur
