#include "lemur/eval/baselines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

/// Requests of 8 documents, of which one is clicked: the most popular, or the one of the history's
/// document plus 20, as `kind` says; three fifths are train.
StoreContent content_of(const std::string& kind) {
  StoreContent content = random_store(
      {.num_events = 8000, .num_documents = 40, .num_users = 50, .history_length = 50});
  std::mt19937 random(3);
  content.histories[0].clear();
  std::vector<uint32_t> last(50);
  for (uint32_t user = 0; user < 50; ++user) {
    last[user] = static_cast<uint32_t>(random() % 20);
    content.histories[0].push_back({.user = user, .document = last[user], .time = -1});
  }
  for (size_t e = 0; e < 8000; e += 8) {
    const auto user = static_cast<uint32_t>(random() % 50);
    std::vector<uint32_t> shown;
    const uint32_t wanted = kind == "popularity" ? 7 : last[user] + 20;
    shown.push_back(wanted);
    while (shown.size() < 8)
      if (const auto other = static_cast<uint32_t>(random() % 40);
          !std::ranges::count(shown, other))
        shown.push_back(other);
    for (size_t i = 0; i < 8; ++i) {
      auto& event = content.events[e + i];
      event = {.time = 0,
               .user = user,
               .document = shown[i],
               .query = kNone,
               .request = e,
               .weight = 1,
               .labels = {static_cast<uint8_t>(i == 0), 0}};
    }
  }
  return content;
}

std::map<std::string, Metrics> measure(const StoreContent& content) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", content);
  std::map<std::string, Metrics> all;
  for (const Baseline& one : run_baselines(SampleStore(folder.path() / "store"), "test"))
    all[one.name] = one.metrics;
  return all;
}

TEST(Baselines, FindWhatIsPopular) {
  auto found = measure(content_of("popularity"));
  EXPECT_GT(*found.at("popularity").qauc, 0.99);
  EXPECT_GT(*found.at("logistic regression").qauc, 0.99);
  EXPECT_NEAR(*found.at("popularity").calibration, 1, 0.1);
  EXPECT_EQ(found.count("bm25"), 0U);
}

TEST(Baselines, FindWhatFollowsFromTheHistory) {
  auto found = measure(content_of("history"));
  EXPECT_GT(*found.at("item-item").qauc, 0.95);
  EXPECT_LT(*found.at("popularity").qauc, 0.85);
  EXPECT_GT(*found.at("logistic regression").qauc, 0.95);
  EXPECT_NEAR(*found.at("logistic regression").calibration, 1, 0.1) << "in spite of the draw";
}

TEST(Baselines, OfLabelsDrawnAtRandomAreChance) {
  StoreContent content = content_of("history");
  std::mt19937 random(5);
  for (auto& event : content.events) event.labels[0] = random() % 4 == 0;
  for (const auto& [name, metrics] : measure(content)) EXPECT_NEAR(*metrics.auc, 0.5, 0.04) << name;
}

}  // namespace
}  // namespace lemur
