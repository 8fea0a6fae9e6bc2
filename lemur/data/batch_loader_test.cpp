#include "lemur/data/batch_loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

/// A store of `num_events` in the split "train", opened; nothing but events matters here.
class LoaderStore {
 public:
  explicit LoaderStore(size_t num_events, size_t damaged_event = SIZE_MAX,
                       const std::set<size_t>& weightless = {}) {
    StoreContent content = random_store({.num_events = num_events});
    content.schema.splits = {{"train", 0, num_events}, {"test", num_events, num_events}};
    for (size_t event : weightless) content.events[event].weight = 0;
    if (damaged_event < num_events) content.events[damaged_event].document = 1000;
    write_store(folder_.path() / "store", content);
    store_ = std::make_unique<SampleStore>(folder_.path() / "store");
  }
  const SampleStore& operator*() const { return *store_; }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<SampleStore> store_;
};

std::vector<Batch> all_batches(const SampleStore& store, const LoaderOptions& options) {
  BatchLoader loader(store, options);
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  EXPECT_FALSE(loader.next().has_value());
  return batches;
}

std::vector<uint64_t> events_of(std::span<const Batch> batches) {
  std::vector<uint64_t> events;
  for (const Batch& batch : batches)
    events.insert(events.end(), batch.events.begin(), batch.events.end());
  return events;
}

void expect_same(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.events, b.events);
  EXPECT_EQ(a.next.epoch, b.next.epoch);
  EXPECT_EQ(a.next.batch, b.next.batch);
  EXPECT_EQ(a.documents, b.documents);
  EXPECT_EQ(a.document_of, b.document_of);
  EXPECT_EQ(a.query_of, b.query_of);
  EXPECT_EQ(a.features[1].keys, b.features[1].keys);
  for (size_t h = 0; h < a.histories.size(); ++h) {
    EXPECT_EQ(a.histories[h].offsets, b.histories[h].offsets);
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_EQ(a.histories[h].views[i].documents.data(), b.histories[h].views[i].documents.data());
  }
}

void expect_same(std::span<const Batch> a, std::span<const Batch> b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) expect_same(a[i], b[i]);
}

std::vector<uint64_t> range(uint64_t begin, uint64_t end) {
  std::vector<uint64_t> values(end - begin);
  std::iota(values.begin(), values.end(), begin);
  return values;
}

TEST(BatchLoader, DeliversTheSplitInTimeOrderUnlessShuffled) {
  LoaderStore store(100);
  auto batches = all_batches(*store, {.batch_size = 8});
  EXPECT_EQ(batches.size(), 13u);
  EXPECT_EQ(batches.back().size(), 4u);
  EXPECT_EQ(events_of(batches), range(0, 100));
}

TEST(BatchLoader, DeliversEveryEventOncePerEpoch) {
  for (size_t num_events : {0, 1, 31, 32, 33}) {
    LoaderStore store(num_events);
    for (bool shuffle : {false, true}) {
      LoaderOptions options{
          .batch_size = 32,
          .order = shuffle ? LoaderOptions::Order::kWindow : LoaderOptions::Order::kTime,
          .window = 10,
          .epochs = 2};
      auto batches = all_batches(*store, options);
      size_t per_epoch = (num_events + 31) / 32;
      EXPECT_EQ(BatchLoader(*store, options).batches_per_epoch(), int64_t(per_epoch));
      ASSERT_EQ(batches.size(), 2 * per_epoch);
      for (size_t epoch = 0; epoch < 2; ++epoch) {
        auto events = events_of(std::span(batches).subspan(epoch * per_epoch, per_epoch));
        std::ranges::sort(events);
        EXPECT_EQ(events, range(0, num_events));
      }
    }
  }
}

TEST(BatchLoader, StaysInsideTheSplit) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", random_store({}));
  SampleStore store(folder.path() / "store");
  for (bool shuffle : {false, true}) {
    auto events = events_of(all_batches(
        store, {.split = "valid",
                .batch_size = 7,
                .order = shuffle ? LoaderOptions::Order::kWindow : LoaderOptions::Order::kTime,
                .window = 6}));
    std::ranges::sort(events);
    EXPECT_EQ(events, range(60, 80));
  }
}

TEST(BatchLoader, ShufflesOnlyInsideWindowsAndDifferentlyEachTime) {
  LoaderStore store(100);
  LoaderOptions options{
      .batch_size = 7, .order = LoaderOptions::Order::kWindow, .window = 32, .epochs = 2};
  auto events = events_of(all_batches(*store, options));
  ASSERT_EQ(events.size(), 200u);
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t epoch = 0; epoch < 2; ++epoch) {
    for (uint64_t begin = 0; begin < 100; begin += 32) {
      uint64_t end = std::min<uint64_t>(begin + 32, 100);
      std::vector<uint64_t> window(events.begin() + ptrdiff_t(100 * epoch + begin),
                                   events.begin() + ptrdiff_t(100 * epoch + end));
      std::vector<uint64_t> order;
      for (uint64_t event : window) order.push_back(event - begin);
      if (end - begin == 32) orders.insert(order);
      std::ranges::sort(window);
      EXPECT_EQ(window, range(begin, end));
    }
  }
  EXPECT_EQ(orders.size(), 6u);  // three whole windows in two epochs, all different
  EXPECT_FALSE(orders.contains(range(0, 32)));
  options.seed = 2;
  EXPECT_NE(events_of(all_batches(*store, options)), events);
}

TEST(BatchLoader, GivesTheSameBatchesForAnyNumberOfThreads) {
  LoaderStore store(100);
  LoaderOptions options{
      .batch_size = 3, .order = LoaderOptions::Order::kWindow, .window = 40, .epochs = 3};
  auto expected = all_batches(*store, options);
  for (int64_t threads : {1, 2, 4}) {
    for (int64_t ahead : {1, 4, 1000}) {
      options.threads = threads;
      options.ahead = ahead;
      expect_same(all_batches(*store, options), expected);
    }
  }
}

TEST(BatchLoader, ResumesExactlyAtEveryPosition) {
  LoaderStore store(50);
  LoaderOptions options{.batch_size = 8,
                        .order = LoaderOptions::Order::kWindow,
                        .window = 20,
                        .epochs = 3,
                        .threads = 2};
  auto expected = all_batches(*store, options);
  ASSERT_EQ(expected.size(), 21u);
  for (size_t done = 0; done < expected.size(); ++done) {
    options.start = expected[done].next;
    EXPECT_EQ(options.start.epoch, int64_t(done + 1) / 7);
    EXPECT_EQ(options.start.batch, int64_t(done + 1) % 7);
    expect_same(all_batches(*store, options), std::span(expected).subspan(done + 1));
  }
}

TEST(BatchLoader, HasNothingToDeliverForAnEmptySplitOrNoEpochs) {
  LoaderStore store(10);
  BatchLoader empty(*store, {.split = "test", .epochs = 3});
  EXPECT_EQ(empty.batches_per_epoch(), 0);
  EXPECT_FALSE(empty.next().has_value());
  EXPECT_TRUE(all_batches(*store, {.epochs = 0}).empty());
  EXPECT_TRUE(all_batches(*store, {.epochs = 2, .start = {.epoch = 5}}).empty());
}

TEST(BatchLoader, RethrowsInOrderWhatAWorkerThrew) {
  LoaderStore store(100, /*damaged_event=*/25);
  for (int64_t threads : {1, 4}) {
    BatchLoader loader(*store, {.batch_size = 10, .threads = threads});
    EXPECT_EQ(loader.next()->events, range(0, 10));
    EXPECT_EQ(loader.next()->events, range(10, 20));
    for (int call = 0; call < 2; ++call)
      expect_error<DataError>([&] { loader.next(); }, "event 25 names document 1000; there are 20");
  }
}

TEST(BatchLoader, StopsItsWorkersWhenItIsDropped) {
  LoaderStore store(100);
  for (int64_t delivered = 0; delivered < 20; ++delivered) {
    BatchLoader loader(*store, {.batch_size = 2, .epochs = 1000000000, .threads = 4, .ahead = 3});
    for (int64_t i = 0; i < delivered; ++i) ASSERT_TRUE(loader.next().has_value());
  }
}

TEST(BatchLoader, RefusesOptionsOutOfRange) {
  LoaderStore store(10);
  auto message = [&](const LoaderOptions& options) {
    return message_of<InvalidArgument>([&] { BatchLoader loader(*store, options); });
  };
  EXPECT_EQ(message({.batch_size = 0}), "[loader] batch_size is 0; expected at least 1");
  EXPECT_EQ(message({.window = 0}), "[loader] window is 0; expected at least 1");
  EXPECT_EQ(message({.epochs = -1}), "[loader] epochs is -1; expected at least 0");
  EXPECT_EQ(message({.threads = 0}), "[loader] threads is 0; expected at least 1");
  EXPECT_EQ(message({.ahead = 0}), "[loader] ahead is 0; expected at least 1");
  EXPECT_EQ(message({.start = {.epoch = -1}}), "[loader] start.epoch is -1; expected at least 0");
  EXPECT_EQ(message({.batch_size = 4, .start = {.batch = 3}}),
            "[loader] start.batch is 3; an epoch of 'train' has 3 batches of 4");
  EXPECT_NE(message({.split = "dev"}).find("there is no split 'dev'"), std::string::npos);
}

TEST(BatchLoader, LeavesOutWhatHasNoWeightWhereAsked) {
  const std::set<size_t> weightless = {1, 4, 5, 6, 7, 9};  // the second batch of four is empty
  LoaderStore store(10, SIZE_MAX, weightless);
  LoaderOptions options{.batch_size = 4, .epochs = 2};
  EXPECT_EQ(events_of(all_batches(*store, options)).size(), 20u);
  options.only_weighted = true;
  const std::vector<Batch> batches = all_batches(*store, options);
  ASSERT_EQ(batches.size(), 6u) << "positions stay";
  EXPECT_EQ(batches[0].events, (std::vector<uint64_t>{0, 2, 3}));
  EXPECT_EQ(batches[1].size(), 0u);
  EXPECT_EQ(batches[2].events, (std::vector<uint64_t>{8}));
  EXPECT_EQ(batches[3].events, batches[0].events);
  options.start = {1, 2};
  const std::vector<Batch> rest = all_batches(*store, options);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].events, (std::vector<uint64_t>{8}));
}

TEST(BatchLoader, SaysToWhichPassABatchBelongs) {
  LoaderStore store(10);
  std::vector<int64_t> epochs;
  for (const Batch& batch : all_batches(*store, {.batch_size = 5, .epochs = 3}))
    epochs.push_back(batch.epoch);
  EXPECT_EQ(epochs, (std::vector<int64_t>{0, 0, 1, 1, 2, 2}));
}

}  // namespace
}  // namespace lemur
