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
  EXPECT_GT(*found.at("gradient-boosted trees").qauc, 0.99);
  EXPECT_NEAR(*found.at("popularity").calibration, 1, 0.1);
  EXPECT_EQ(found.count("bm25"), 0U);
}

TEST(Baselines, FindWhatFollowsFromTheHistory) {
  auto found = measure(content_of("history"));
  EXPECT_GT(*found.at("item-item").qauc, 0.95);
  EXPECT_LT(*found.at("popularity").qauc, 0.85);
  EXPECT_GT(*found.at("logistic regression").qauc, 0.95);
  EXPECT_NEAR(*found.at("logistic regression").calibration, 1, 0.1) << "in spite of the draw";
  EXPECT_GT(*found.at("gradient-boosted trees").qauc, 0.95);
  EXPECT_NEAR(*found.at("gradient-boosted trees").calibration, 1, 0.15);
}

TEST(Baselines, OnlyTreesFindWhatTwoNumbersTellTogether) {
  StoreContent content = content_of("history");
  std::mt19937 random(6);
  std::uniform_real_distribution<float> size(0.1F, 1);
  const auto either_sign = [&] { return random() % 2 == 0 ? size(random) : -size(random); };
  std::vector<float>&prices = content.features[2].numbers, &rates = content.features[4].numbers;
  for (float& price : prices) price = either_sign();
  for (float& rate : rates) rate = either_sign();
  for (size_t e = 0; e < content.events.size(); ++e)
    content.events[e].labels[0] = (prices[content.events[e].document] > 0) != (rates[e] > 0);
  auto found = measure(content);
  EXPECT_LT(*found.at("logistic regression").auc, 0.6);
  EXPECT_GT(*found.at("gradient-boosted trees").auc, 0.95);
}

TEST(Baselines, ProbabilitiesAreThoseBeforeTheDrawing) {
  StoreContent content = content_of("history");
  std::mt19937 random(7);
  for (size_t e = 0; e < content.events.size(); e += 32) {  // of which two are clicked, so that
    const size_t first = random() % 32, second = (first + 1 + random() % 31) % 32;  // 7 of 31
    for (size_t i = 0; i < 32; ++i) {                                               // are drawn
      content.events[e + i].request = e;
      content.events[e + i].labels[0] = i == first || i == second;
    }
  }
  auto found = measure(content);
  for (const char* name : {"logistic regression", "gradient-boosted trees"})
    EXPECT_NEAR(*found.at(name).calibration, 1, 0.3) << name;
}

TEST(Baselines, TreesNeedNoValid) {
  StoreContent content = content_of("popularity");
  content.schema.splits = {{"train", 0, 6400}, {"test", 6400, 8000}};
  TemporaryFolder folder;
  write_store(folder.path() / "store", content);
  std::vector<std::string> said;
  const auto found = run_baselines(SampleStore(folder.path() / "store"), "test",
                                   [&](const std::string& what) { said.push_back(what); });
  EXPECT_EQ(found.back().name, "gradient-boosted trees");
  EXPECT_EQ(found.back().how, "100 of depth 6 over the same");
  EXPECT_GT(*found.back().metrics.qauc, 0.99);
  EXPECT_EQ(said.back(), "gradient-boosted trees");
}

TEST(Baselines, AreTheSameTwice) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", content_of("history"));
  const SampleStore store(folder.path() / "store");
  const auto first = run_baselines(store, "valid"), second = run_baselines(store, "valid");
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].scores, second[i].scores);
  EXPECT_NE(first.back().how.find(" as many as QAUC on valid chose"), std::string::npos);
}

TEST(Baselines, AsJsonHaveWhatTheirScoresAllow) {
  Baseline order{.name = "order", .how = "by place"};
  order.metrics.rows = 3;
  order.metrics.auc = 0.75;
  order.metrics.log_loss = 0.5;
  Baseline probability = order;
  probability.name = "probability";
  probability.is_probability = true;
  const auto json = baselines_to_json("valid", {order, probability});
  EXPECT_EQ(json.at("split"), "valid");
  ASSERT_EQ(json.at("methods").size(), 2U);
  const auto &first = json["methods"][0], &second = json["methods"][1];
  EXPECT_EQ(first.at("name"), "order");
  EXPECT_EQ(first.at("how"), "by place");
  EXPECT_EQ(first.at("rows"), 3);
  EXPECT_EQ(first.at("auc"), 0.75);
  EXPECT_TRUE(first.at("qauc").is_null());
  for (const char* of_probabilities : {"log_loss", "calibration", "ece"}) {
    EXPECT_FALSE(first.contains(of_probabilities)) << of_probabilities;
    EXPECT_TRUE(second.contains(of_probabilities)) << of_probabilities;
  }
  EXPECT_EQ(second.at("log_loss"), 0.5);
}

TEST(Baselines, OfLabelsDrawnAtRandomAreChance) {
  StoreContent content = content_of("history");
  std::mt19937 random(5);
  for (auto& event : content.events) event.labels[0] = random() % 4 == 0;
  for (const auto& [name, metrics] : measure(content)) EXPECT_NEAR(*metrics.auc, 0.5, 0.04) << name;
}

}  // namespace
}  // namespace lemur
