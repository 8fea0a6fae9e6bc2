#include "lemur/data/training_counts.h"

#include <gtest/gtest.h>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

/// A random store in which every fifth event has no weight.
StoreContent store_with_weightless_rows() {
  StoreContent content = random_store({.num_events = 200, .num_actions = 90});
  for (size_t e = 0; e < content.events.size(); e += 5) content.events[e].weight = 0;
  return content;
}

TEST(TrainingCounts, CountImpressionsOfTrainWithAWeight) {
  const StoreContent content = store_with_weightless_rows();
  TemporaryFolder folder;
  write_store(folder.path() / "store", content);
  const TrainingCounts counts = count_training(SampleStore(folder.path() / "store"));
  std::vector<uint32_t> documents(content.document_ids.size()), users(content.user_ids.size()),
      queries(content.query_texts.size());
  for (size_t e = 0; e < 120; ++e) {  // three fifths are train
    const auto& event = content.events[e];
    if (event.weight == 0) continue;
    ++documents[event.document];
    ++users[event.user];
    if (event.query != kNone) ++queries[event.query];
  }
  EXPECT_EQ(counts.documents, documents);
  EXPECT_EQ(counts.users, users);
  EXPECT_EQ(counts.queries, queries);
}

TEST(TrainingCounts, CountReadsOfTargetsAndOfEveryHistory) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", store_with_weightless_rows());
  const SampleStore store(folder.path() / "store");
  std::vector<uint64_t> expected(store.schema().num_documents);
  uint64_t of_histories = 0;
  for (size_t e = 0; e < 120; ++e) {
    if (store.weights()[e] == 0) continue;
    ++expected[store.documents()[e]];
    for (size_t h = 0; h < 2; ++h)
      for (const uint32_t document :
           store.history(h, store.users()[e], store.request_times()[e]).documents)
        ++expected[document], ++of_histories;
  }
  EXPECT_GT(of_histories, 100u);
  EXPECT_EQ(count_reads(store), expected);
}

TEST(TrainingCounts, OfHistoriesWithoutActionsAreThoseOfTargets) {
  TemporaryFolder folder;
  write_store(folder.path() / "store", random_store({.num_actions = 0}));
  const SampleStore store(folder.path() / "store");
  const std::vector<uint32_t> shown = count_training(store).documents;
  EXPECT_EQ(count_reads(store), std::vector<uint64_t>(shown.begin(), shown.end()));
}

}  // namespace
}  // namespace lemur
