#include "lemur/data/request_draw.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

/// A store of requests of so many impressions, `clicks` of each clicked; events interleaved.
class RequestStore {
 public:
  RequestStore(const std::vector<std::pair<size_t, size_t>>& requests, size_t weightless = 0) {
    size_t num_events = 0;
    for (const auto& [size, clicks] : requests) num_events += size;
    StoreContent content = random_store({.num_events = num_events});
    content.schema.splits = {{"train", 0, num_events}, {"test", num_events, num_events}};
    for (auto& event : content.events) event.weight = 1;
    size_t at = 0;
    const size_t longest =
        std::ranges::max(requests, {}, [](const auto& r) { return r.first; }).first;
    for (size_t row = 0; row < longest; ++row)
      for (size_t r = 0; r < requests.size(); ++r) {
        if (row >= requests[r].first) continue;
        content.events[at].request = 1000 + r;
        content.events[at].labels[0] = row < requests[r].second;
        if (weightless > 0 && row + weightless >= requests[r].first) content.events[at].weight = 0;
        ++at;
      }
    write_store(folder_.path() / "store", content);
    store_ = std::make_unique<SampleStore>(folder_.path() / "store");
  }
  const SampleStore& operator*() const { return *store_; }
  const StoreSchema::Split& train() const { return store_->schema().split("train"); }
  bool clicked(uint64_t event) const { return store_->labels(0)[event] != 0; }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<SampleStore> store_;
};

struct Drawn {
  std::vector<uint64_t> events;
  std::vector<float> shifts;
};

Drawn draw(const RequestDraw& requests, uint64_t group, int64_t epoch) {
  Drawn drawn;
  requests.append(group, epoch, drawn.events, drawn.shifts);
  return drawn;
}

TEST(RequestDraw, TakesClicksAndSomeOfTheOthers) {
  const RequestStore store({{20, 1}, {20, 3}, {5, 2}, {20, 0}});
  const RequestDraw requests(*store, store.train(), 4, 1);
  ASSERT_EQ(requests.num_groups(), 4U);
  for (int64_t epoch = 0; epoch < 20; ++epoch)
    for (uint64_t group = 0; group < 4; ++group) {
      const Drawn drawn = draw(requests, group, epoch);
      const size_t clicks = group == 0 ? 1 : group == 1 ? 3 : group == 2 ? 2 : 0;
      EXPECT_EQ(std::ranges::count_if(drawn.events, [&](uint64_t e) { return store.clicked(e); }),
                std::ptrdiff_t(clicks));
      const double share = group == 2 ? 1 : 4.0 / 19;
      const double others = share * (group == 2 ? 3.0 : 20.0 - double(clicks));
      EXPECT_LT(std::abs(double(drawn.events.size() - clicks) - others), 1);
      EXPECT_TRUE(std::ranges::is_sorted(drawn.events));
      for (float shift : drawn.shifts) EXPECT_FLOAT_EQ(shift, float(-std::log(share)));
      for (uint64_t event : drawn.events) EXPECT_EQ((*store).requests()[event], 1000 + group);
    }
}

TEST(RequestDraw, DrawsEachUnclickedWithTheShareThatItTells) {
  const RequestStore store({{20, 3}, {11, 0}});
  const RequestDraw requests(*store, store.train(), 4, 1);
  constexpr int64_t kEpochs = 4000;
  std::map<uint64_t, double> times;
  for (int64_t epoch = 0; epoch < kEpochs; ++epoch)
    for (uint64_t group = 0; group < 2; ++group)
      for (uint64_t event : draw(requests, group, epoch).events) times[event] += 1.0 / kEpochs;
  for (uint64_t event = 0; event < store.train().end; ++event) {
    const double share = (*store).requests()[event] == 1000 ? 4.0 / 19 : 4.0 / 10;
    const double wanted = store.clicked(event) ? 1 : share;
    EXPECT_NEAR(times[event], wanted, 4 * std::sqrt(wanted * (1 - wanted) / kEpochs) + 1e-12);
  }
  EXPECT_NEAR(requests.num_drawn(), 3 + 17 * 4.0 / 19 + 11 * 4.0 / 10, 1e-9);
}

TEST(RequestDraw, DrawsAnewInEveryEpochAndTheSameForTheSameSeed) {
  const RequestStore store({{50, 1}});
  const RequestDraw one(*store, store.train(), 5, 1), again(*store, store.train(), 5, 1),
      other(*store, store.train(), 5, 2);
  EXPECT_EQ(draw(one, 0, 3).events, draw(again, 0, 3).events);
  EXPECT_NE(draw(one, 0, 3).events, draw(one, 0, 4).events);
  EXPECT_NE(draw(one, 0, 3).events, draw(other, 0, 3).events);
}

TEST(RequestDraw, TakesAllWithoutALimitAndNoneWithoutAWeight) {
  const RequestStore store({{9, 1}, {4, 4}, {1, 0}}, 1);
  const RequestDraw requests(*store, store.train(), 0, 1);
  std::set<uint64_t> all;
  for (uint64_t group = 0; group < requests.num_groups(); ++group) {
    const Drawn drawn = draw(requests, group, 0);
    all.insert(drawn.events.begin(), drawn.events.end());
    for (float shift : drawn.shifts) EXPECT_EQ(shift, 0);
  }
  EXPECT_EQ(all.size(), 8U + 3U);  // the last one of each request has no weight
  for (uint64_t event : all) EXPECT_NE((*store).weights()[event], 0);
}

TEST(RequestDraw, PutsSingleImpressionsTogetherWhereClicksAreFew) {
  std::vector<std::pair<size_t, size_t>> singles(200, {1, 0});
  for (size_t i = 0; i < 200; i += 20) singles[i].second = 1;
  const RequestStore store(singles);
  const RequestDraw requests(*store, store.train(), 4, 1);
  EXPECT_EQ(requests.num_groups(), 10U);
  EXPECT_NEAR(requests.num_drawn(), 10 * (1 + 4), 1e-9);
  for (uint64_t group = 0; group < 10; ++group)
    EXPECT_EQ(draw(requests, group, 0).events.size(), 5U);

  for (size_t i = 0; i < 200; i += 2) singles[i].second = 1;
  const RequestStore often(singles);
  EXPECT_EQ(RequestDraw(*often, often.train(), 4, 1).num_groups(), 200U)
      << "none would be left out";
}

TEST(RequestDraw, HasNoGroupsOfAnEmptySplit) {
  const RequestStore store({{3, 1}});
  const RequestDraw requests(*store, (*store).schema().split("test"), 4, 1);
  EXPECT_EQ(requests.num_groups(), 0U);
  EXPECT_EQ(requests.num_drawn(), 0);
}

}  // namespace
}  // namespace lemur
