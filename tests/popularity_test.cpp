// What documents get by how often training shows them: refresh by expected staleness, the bank's
// deciles, slices of what training never saw (model.md 4 and 9).
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

#include "lemur/base/folder.h"
#include "lemur/base/testing.h"
#include "lemur/data/batch_loader.h"
#include "lemur/data/run_folder.h"
#include "lemur/data/training_counts.h"
#include "lemur/eval/bank_deciles.h"
#include "lemur/eval/evaluator.h"
#include "lemur/train/trainer.h"
#include "tests/step_bench.h"
#include "tests/world_fixture.h"

namespace lemur {
namespace {

/// A world most of whose documents, users and queries training does not show.
World& sparse_world() {
  static World world({.documents = 1500, .users = 400, .events = 3000, .seed = 8});
  return world;
}

Options refreshing_options(double budget) {
  Options options = sparse_world().options;
  options.bank = {.forward = 0.2, .backward = 0.2, .refresh_budget = budget, .refresh = "expected"};
  return options;
}

/// 64 impressions of users who have a past.
Batch late_batch(const SampleStore& store) {
  std::vector<uint64_t> events(64);
  std::iota(events.begin(), events.end(), 2000);
  return make_batch(store, events);
}

std::string bank_bytes(const ModelState& state) {
  TemporaryFolder folder;
  state.bank->save(folder.path() / "bank.rows");
  return read_file(folder.path() / "bank.rows");
}

std::set<uint32_t> documents_in(const SampleStore& store, const MemoryBank& bank) {
  std::vector<int32_t> rows(store.document_keys().size());
  bank.find(store.document_keys(), rows);
  std::set<uint32_t> held;
  for (uint32_t document = 0; document < rows.size(); ++document)
    if (rows[document] != MemoryBank::kAbsent) held.insert(document);
  return held;
}

TEST(ExpectedRefreshStep, EncodesWhatTrainingReadsBeyondTheBatch) {
  SampleStore store(sparse_world().folder.path() / "store");
  const Batch batch = late_batch(store);
  Bench plain(refreshing_options(0), store), refreshed(refreshing_options(0.5), store);
  for (int64_t step = 1; step <= 3; ++step) {
    const StepMetrics without = plain.step.run(batch, step, 1),
                      with = refreshed.step.run(batch, step, 1);
    EXPECT_EQ(without.refreshed, 0);
    EXPECT_EQ(with.encoded, without.encoded) << "the draw of the targets stays";
    EXPECT_EQ(with.refreshed, (with.encoded + 1) / 2);
    EXPECT_GT(with.tokens, without.tokens);
  }
  std::set<uint32_t> of_batch(batch.documents.begin(), batch.documents.end());
  for (const Batch::History& history : batch.histories)
    for (const HistoryView& view : history.views)
      of_batch.insert(view.documents.begin(), view.documents.end());
  const std::vector<uint64_t> reads = count_reads(store);
  int64_t beyond = 0;
  for (const uint32_t document : documents_in(store, *refreshed.state.bank)) {
    EXPECT_GT(reads[document], 0u) << document << ": what training never reads is never encoded";
    beyond += !of_batch.contains(document);
  }
  EXPECT_GT(beyond, 0);
}

TEST(ExpectedRefreshStep, IsTheSameInPartsAndOnAnyNumberOfThreads) {
  SampleStore store(sparse_world().folder.path() / "store");
  const Batch batch = late_batch(store);
  Options parts = refreshing_options(0.5);
  parts.train.micro_batch_size = 24;
  Bench a(refreshing_options(0.5), store), b(parts, store);
  for (int64_t step = 1; step <= 2; ++step) {
    const StepMetrics whole = a.step.run(batch, step, 0), some = b.step.run(batch, step, 0);
    EXPECT_EQ(whole.refreshed, some.refreshed);
    EXPECT_EQ(whole.tokens, some.tokens);
  }
  EXPECT_EQ(documents_in(store, *a.state.bank), documents_in(store, *b.state.bank));

  const auto trained = [&](int threads) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    Bench bench(refreshing_options(0.5), store);
    for (int64_t step = 1; step <= 2; ++step) bench.step.run(batch, step, 1);
    at::set_num_threads(before);
    return bank_bytes(bench.state);
  };
  EXPECT_TRUE(trained(1) == trained(3));
}

TEST(ExpectedRefreshStep, GoesOnAfterAResumeAsIfNothingHadBeen) {
  SampleStore store(sparse_world().folder.path() / "store");
  Options options = refreshing_options(0.2);
  options.train.max_steps = 20;
  options.train.checkpoint_every = 5;
  TemporaryFolder runs;
  train(options, store, {.run = runs.path() / "whole", .show_progress = false});
  Options part = options;
  part.train.max_steps = 12;
  train(part, store, {.run = runs.path() / "parts", .show_progress = false});
  const RunFolder folder(runs.path() / "parts");
  std::filesystem::remove_all(folder.checkpoint(12));  // as a crash would leave it
  std::filesystem::remove(runs.path() / "parts/best");
  ASSERT_EQ(folder.newest(nullptr), 10);
  train(options, store, {.run = runs.path() / "parts", .resume = true, .show_progress = false});
  const auto whole = checkpoint_files(RunFolder(runs.path() / "whole").checkpoint(20));
  for (const auto& [name, bytes] : checkpoint_files(folder.checkpoint(20)))
    if (name != "manifest.json") {
      EXPECT_TRUE(bytes == whole.at(name)) << name;
    }
}

std::vector<BankDecile> deciles_of(const SampleStore& store, ModelState& state, int64_t step) {
  return measure_deciles(
      store, state, group_by_popularity(store.document_keys(), count_training(store).documents, 1),
      step);
}

TEST(BankDeciles, TellCoverageAgeAndStaleness) {
  SampleStore store(sparse_world().folder.path() / "store");
  Options options = sparse_world().options;
  options.bank = {};
  Bench bench(options, store);
  bench.step.run(late_batch(store), 1, /*rate=*/0);
  const std::set<uint32_t> held = documents_in(store, *bench.state.bank);
  const auto groups =
      group_by_popularity(store.document_keys(), count_training(store).documents, 1);
  const std::string before = bank_bytes(bench.state);
  const auto deciles = deciles_of(store, bench.state, 4);
  EXPECT_EQ(bank_bytes(bench.state), before) << "the bank stays as it is";
  EXPECT_TRUE(bench.state.model->is_training());
  ASSERT_EQ(deciles.size(), 11u);
  int64_t documents = 0, covered = 0;
  for (size_t i = 0; i < deciles.size(); ++i) {
    const BankDecile& decile = deciles[i];
    documents += decile.documents;
    const auto present =
        std::ranges::count_if(groups[i].sample, [&](uint32_t d) { return held.contains(d); });
    EXPECT_DOUBLE_EQ(decile.coverage,
                     static_cast<double>(present) / static_cast<double>(groups[i].sample.size()));
    EXPECT_EQ(decile.age.has_value(), present > 0) << decile.name;
    if (present == 0) continue;
    ++covered;
    EXPECT_EQ(decile.age, 3.0);
    EXPECT_NEAR(decile.staleness.value(), 1, 1e-4) << "the weights stayed";
    EXPECT_NEAR(decile.freshness.value(), 1, 1e-2);
  }
  EXPECT_EQ(documents, static_cast<int64_t>(store.schema().num_documents));
  EXPECT_GT(covered, 0);
  EXPECT_EQ(deciles[10].name, "unseen");
  EXPECT_EQ(deciles[10].coverage, 0);

  {
    const torch::NoGradGuard no_grad;
    for (torch::Tensor& weight : bench.state.model->document_encoder()->parameters())
      weight.add_(0.2 * torch::randn_like(weight));
  }
  for (const BankDecile& decile : deciles_of(store, bench.state, 4))
    if (decile.staleness) {
      EXPECT_LT(*decile.staleness, 0.99) << "other weights, other vectors";
    }
}

TEST(Slices, TellWhatTrainingNeverSawWithItsRows) {
  SampleStore store(sparse_world().folder.path() / "store");
  ASSERT_TRUE(store.schema().has_queries);
  const auto& train = store.schema().split("train");
  std::set<uint32_t> documents, users, queries;
  for (uint64_t e = train.begin; e < train.end; ++e) {
    documents.insert(store.documents()[e]);
    users.insert(store.users()[e]);
    queries.insert(store.queries()[e]);
  }
  const auto& test = store.schema().split("test");
  int64_t of_documents = 0, of_users = 0, of_queries = 0, without = 0;
  for (uint64_t e = test.begin; e < test.end; ++e) {
    const uint32_t query = store.queries()[e];
    of_documents += !documents.contains(store.documents()[e]);
    of_users += !users.contains(store.users()[e]);
    of_queries += query != kNone && !queries.contains(query);
    without += query == kNone;
  }
  Bench bench(sparse_world().options, store);
  Evaluator evaluator(store, bench.state, 100);
  const auto slices = evaluator.slices("test", evaluator.run("test"));
  EXPECT_GT(of_documents, 0);
  EXPECT_GT(of_users, 0);
  EXPECT_EQ(slices.at("document_seen").at("0").at("rows"), of_documents);
  EXPECT_EQ(slices.at("user_seen").at("no").at("rows"), of_users);
  const auto& query_seen = slices.at("query_seen");
  EXPECT_EQ(query_seen.at("no").at("rows"), of_queries);
  EXPECT_EQ(query_seen.at("no query").at("rows"), without);
  EXPECT_EQ(query_seen.at("yes").at("rows"),
            static_cast<int64_t>(test.end - test.begin) - of_queries - without);
  EXPECT_TRUE(query_seen.at("no").contains("auc"));
}

}  // namespace
}  // namespace lemur
