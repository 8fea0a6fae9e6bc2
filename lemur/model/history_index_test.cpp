#include "lemur/model/history_index.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>
#include <set>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

TEST(HistoryIndex, NamesEachElementsDocumentGapAndAction) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", random_store({.num_events = 200, .num_actions = 300}));
  SampleStore store(folder.path() / "store");
  std::vector<uint64_t> events(120);
  std::iota(events.begin(), events.end(), 0);
  Batch batch = make_batch(store, events);
  HistoryIndexer indexer(store.schema().num_documents);
  for (int repeat = 0; repeat < 2; ++repeat) {  // scratch memory is clean the second time
    HistoryIndex index = indexer.build(batch);
    EXPECT_EQ(std::set<uint32_t>(index.documents.begin(), index.documents.end()).size(),
              index.documents.size());
    int64_t elements = 0;
    for (size_t h = 0; h < batch.histories.size(); ++h) {
      const RaggedHistory& ragged = index.histories[h];
      auto offsets = ragged.offsets.accessor<int64_t, 1>(),
           document = ragged.document.accessor<int64_t, 1>();
      auto gap = ragged.gap.accessor<int64_t, 1>(), action = ragged.action.accessor<int64_t, 1>();
      for (size_t b = 0; b < batch.size(); ++b) {
        const HistoryView& view = batch.histories[h].views[b];
        ASSERT_EQ(offsets[static_cast<int64_t>(b) + 1] - offsets[static_cast<int64_t>(b)],
                  static_cast<int64_t>(view.size()));
        for (size_t j = 0; j < view.size(); ++j, ++elements) {
          int64_t m = offsets[static_cast<int64_t>(b)] + static_cast<int64_t>(j);
          ASSERT_EQ(index.documents[static_cast<size_t>(document[m])], view.documents[j]);
          ASSERT_EQ(gap[m], gap_bucket(batch.times[b] - view.times[j]));
          ASSERT_EQ(action[m], view.actions[j]);
        }
      }
    }
    EXPECT_GT(elements, 100);
  }
}

TEST(HistoryIndex, MarksWhatIsMissing) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", random_store({.num_actions = 300}));
  SampleStore store(folder.path() / "store");
  std::vector<uint64_t> events(60);
  std::iota(events.begin(), events.end(), 0);
  HistoryIndex index =
      HistoryIndexer(store.schema().num_documents).build(make_batch(store, events));
  std::vector<bool> present(index.documents.size(), true);
  present[0] = false;
  auto marked = index.only(present);
  for (size_t h = 0; h < marked.size(); ++h) {
    torch::Tensor missing = index.histories[h].document == 0;
    EXPECT_TRUE(marked[h].document.masked_select(missing).eq(-1).all().item<bool>());
    EXPECT_TRUE(marked[h].document.masked_select(~missing).equal(
        index.histories[h].document.masked_select(~missing)));
  }
  EXPECT_GT((marked[1].document == -1).sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace lemur
