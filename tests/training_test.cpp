// What must hold of a whole training run (model.md 10): steps, checkpoints, resuming, learning.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <set>

#include "lemur/base/error.h"
#include "lemur/base/testing.h"
#include "lemur/data/batch_loader.h"
#include "lemur/data/run_folder.h"
#include "lemur/eval/evaluator.h"
#include "lemur/train/trainer.h"
#include "tests/step_bench.h"
#include "tests/world_fixture.h"

namespace lemur {
namespace {

World& shared_world() {
  static World world({.documents = 300, .users = 40, .events = 3000, .seed = 5});
  return world;
}

TEST(Training, EveryParameterGetsAGradient) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {};
  Bench bench(options, store);
  BatchLoader loader(store, {.batch_size = 256});
  std::map<std::string, double> largest;
  for (int64_t step = 1; step <= 4; ++step) {
    bench.step.run(*loader.next(), step, 1);
    for (const auto& item : bench.state.model->named_parameters())
      largest[item.key()] =
          std::max(largest[item.key()], item.value().grad().abs().max().item<double>());
  }
  EXPECT_GT(largest.size(), 50u);
  for (const auto& [name, gradient] : largest) EXPECT_GT(gradient, 0) << name;
}

TEST(Training, FullSharesOnDistinctDocumentsEqualTrainingWithoutABank) {
  SampleStore store(shared_world().folder.path() / "store");
  Options with = shared_world().options;
  with.bank = {.enabled = true, .forward = 1, .backward = 1};
  with.model.content_history = with.model.similarity = false;
  Options without = with;
  without.bank.enabled = false;
  std::vector<uint64_t> events;
  std::map<uint32_t, int> used;
  for (uint64_t e = 0; e < store.schema().split("train").end && events.size() < 64; ++e)
    if (!used[store.documents()[e]]++) events.push_back(e);
  Batch batch = make_batch(store, events);
  Bench a(with, store), b(without, store);
  StepMetrics ma = a.step.run(batch, 1, 1), mb = b.step.run(batch, 1, 1);
  EXPECT_EQ(ma.loss, mb.loss);
  EXPECT_EQ(ma.encoded, 64);
  auto pa = a.state.model->parameters(), pb = b.state.model->parameters();
  ASSERT_EQ(pa.size(), pb.size());
  for (size_t i = 0; i < pa.size(); ++i) EXPECT_TRUE(pa[i].equal(pb[i])) << i;
  EXPECT_EQ(a.state.bank->size(), 64);
  EXPECT_EQ(b.state.bank, nullptr);
}

/// Returns the document encoder's gradient, added up over some steps on one batch, of which only
/// the last gives every document a gradient.
std::vector<torch::Tensor> summed_gradients(Options options, int64_t steps) {
  SampleStore store(shared_world().folder.path() / "store");
  options.train.clip_norm = 1e9;
  Bench bench(options, store);
  const Batch batch = *BatchLoader(store, {.batch_size = 256}).next();
  std::vector<torch::Tensor> sums;
  for (int64_t step = 1; step <= steps; ++step) {
    BankOptions& bank = bench.state.options.bank;
    if (step == steps) bank.forward = bank.backward = 0.999999;
    bench.step.run(batch, step, /*rate=*/0);
    size_t i = 0;
    for (const torch::Tensor& weight : bench.state.model->document_encoder()->parameters()) {
      if (step == 1) sums.push_back(torch::zeros_like(weight));
      sums[i++] += weight.grad();
    }
  }
  return sums;
}

TEST(Training, DeferredGradientsLoseNothing) {
  constexpr int64_t kSteps = 6;
  Options options = shared_world().options;
  options.bank.forward = options.bank.backward = 1;
  const auto whole = summed_gradients(options, kSteps);
  const auto difference = [&](double forward, bool deferred) {
    options.bank.forward = forward;
    options.bank.backward = 0.2;
    options.bank.deferred_gradient = deferred;
    const auto sums = summed_gradients(options, kSteps);
    double error = 0, size = 0;
    for (size_t i = 0; i < sums.size(); ++i) {
      error += (sums[i] - whole[i]).square().sum().item<double>();
      size += whole[i].square().sum().item<double>();
    }
    return std::sqrt(error / size);
  };
  for (const double forward : {0.2, 1.0}) {
    EXPECT_LT(difference(forward, true), 0.01) << forward;  // the bank's vectors are float16
    EXPECT_GT(difference(forward, false), 0.3) << forward;
  }
}

TEST(Training, RecomputingChangesNoParameter) {
  SampleStore store(shared_world().folder.path() / "store");
  Options kept = shared_world().options, recomputed = kept;
  recomputed.train.recompute = true;
  Bench a(kept, store), b(recomputed, store);
  BatchLoader loader(store, {.batch_size = 256});
  for (int64_t step = 1; step <= 2; ++step) {
    Batch batch = *loader.next();
    EXPECT_EQ(a.step.run(batch, step, 1).loss, b.step.run(batch, step, 1).loss);
  }
  auto pa = a.state.model->parameters(), pb = b.state.model->parameters();
  for (size_t i = 0; i < pa.size(); ++i) EXPECT_TRUE(pa[i].equal(pb[i])) << i;
}

TEST(Training, ThreadsDoNotChangeABit) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  // Of the sizes at which LibTorch begins to share work between threads.
  options.model = {};
  auto trained = [&](int threads) {
    const int before = at::get_num_threads();
    at::set_num_threads(threads);
    Bench bench(options, store);
    BatchLoader loader(store, {.batch_size = 500});
    for (int64_t step = 1; step <= 2; ++step) bench.step.run(*loader.next(), step, 1);
    at::set_num_threads(before);
    return torch::nn::utils::parameters_to_vector(bench.state.model->parameters());
  };
  const torch::Tensor one = trained(1);
  for (int threads : {2, 3}) EXPECT_TRUE(one.equal(trained(threads))) << threads;
}

/// Trains on one batch as a whole and in parts, and compares.
void expect_parts_add_up(Options whole, const SampleStore& store, const Batch& batch) {
  Options parts = whole;
  parts.train.micro_batch_size = 24;  // of 100: the last part has 4
  Bench a(whole, store), b(parts, store);
  const int64_t steps = 2;  // the second finds the bank filled
  for (int64_t step = 1; step <= steps; ++step) {
    // Weights stay: AdamW's first steps would make much of the last bits of small gradients.
    const StepMetrics ma = a.step.run(batch, step, 0), mb = b.step.run(batch, step, 0);
    EXPECT_NEAR(ma.loss, mb.loss, 1e-5 * ma.loss);
    EXPECT_NEAR(ma.alignment, mb.alignment, 1e-5 * ma.alignment);
    EXPECT_NEAR(ma.gradient_norm, mb.gradient_norm, 1e-4 * ma.gradient_norm);
    EXPECT_EQ(ma.documents, mb.documents);
    EXPECT_EQ(ma.encoded, mb.encoded);
    EXPECT_EQ(ma.backward, mb.backward);
    EXPECT_EQ(ma.tokens, mb.tokens);
    EXPECT_EQ(ma.history_coverage, mb.history_coverage);
    ASSERT_EQ(mb.scores.size(), 100u);
    for (size_t i = 0; i < 100; ++i) EXPECT_NEAR(ma.scores[i], mb.scores[i], 1e-5);
    auto pa = a.state.model->named_parameters(), pb = b.state.model->named_parameters();
    for (const auto& item : pa) {
      const torch::Tensor expected = item.value().grad(), found = pb[item.key()].grad();
      EXPECT_LT((expected - found).norm().item<double>(),
                1e-4 * expected.norm().item<double>() + 1e-6)
          << item.key() << " in step " << step;
    }
  }
}

TEST(Training, MicroBatchesAddUpToTheBatch) {
  SampleStore store(shared_world().folder.path() / "store");
  std::vector<uint64_t> events(100);
  std::iota(events.begin(), events.end(), 1500);  // late enough for histories
  const Batch batch = make_batch(store, events);
  Options options = shared_world().options;
  ASSERT_GT(options.model.alignment_weight, 0);
  for (const double share : {1.0, 0.3}) {
    options.bank = {.forward = share, .backward = share};
    options.bank.history_gradient = true;
    options.bank.deferred_gradient = true;
    SCOPED_TRACE(share);
    expect_parts_add_up(options, store, batch);
  }
  options.bank = {};
  options.model.task_weights = {0};
  expect_parts_add_up(options, store, batch);  // SQDC alone

  options.train.micro_batch_size = 24;
  options.model.encoder_dropout = 0.1;
  expect_error<InvalidArgument>([&] { Bench(options, store); },
                                "not with model.encoder_dropout = 0.1");
}

TEST(Training, SampledDocumentsComeFromTheBankAsConstants) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {.enabled = true, .encode_clicked = false, .forward = 0, .backward = 0};
  Bench bench(options, store);
  BatchLoader loader(store, {.batch_size = 128});
  Batch batch = *loader.next();
  StepMetrics first = bench.step.run(batch, 1, 1), second = bench.step.run(batch, 2, 1);
  EXPECT_EQ(first.target_coverage, 0);
  EXPECT_EQ(first.encoded, first.documents) << "what the bank lacks is always encoded";
  EXPECT_EQ(second.target_coverage, 1);
  EXPECT_EQ(second.encoded, 0);
  for (const auto& item : bench.state.model->named_parameters())
    if (item.key().starts_with("document_encoder.layer")) {
      EXPECT_EQ(item.value().grad().abs().max().item<double>(), 0) << item.key();
    }

  std::set<uint32_t> clicked;
  for (size_t b = 0; b < batch.size(); ++b)
    if (batch.labels[b] > 0.5F) clicked.insert(batch.document_of[b]);
  ASSERT_FALSE(clicked.empty());
  bench.state.options.bank.encode_clicked = true;
  const StepMetrics third = bench.step.run(batch, 3, 1);
  EXPECT_EQ(third.encoded, std::ssize(clicked)) << "whatever the shares are";
  EXPECT_EQ(third.backward, third.encoded);
  bench.state.options.train.freeze_encoder_steps = -1;
  EXPECT_EQ(bench.step.run(batch, 4, 1).encoded, 0) << "but frozen encoders have nothing to learn";
}

TEST(Training, OverfitsSixtyFourSamples) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {};
  options.model.alignment_weight = 0;
  Bench bench(options, store);
  std::vector<uint64_t> events(64);
  for (size_t i = 0; i < events.size(); ++i) events[i] = 500 + i;
  Batch batch = make_batch(store, events);
  double loss = 0;
  for (int64_t step = 1; step <= 300; ++step) loss = bench.step.run(batch, step, 3).cross_entropy;
  EXPECT_LT(loss, 0.05);
}

TEST(Training, InterruptedAndResumedEqualsUninterrupted) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.model.encoder_dropout = options.model.embedding_dropout = options.model.ranker_dropout =
      0.1;
  options.bank.deferred_gradient = true;
  options.train.epochs = 2;
  options.train.average_decay = 0.9;
  options.train.checkpoint_every = 7;
  options.train.order = "window";
  options.train.window = 500;
  TemporaryFolder runs;
  TrainingResult whole =
      train(options, store, {.run = runs.path() / "whole", .show_progress = false});
  ASSERT_GT(whole.steps, 40);

  Options part = options;
  for (int64_t stop : {3, 17, 38}) {
    // A run that ends at `stop` as a crash would leave it: with the checkpoint at a multiple of 7.
    part.train.max_steps = stop;
    TrainingResult cut =
        train(part, store, {.run = runs.path() / "parts", .resume = true, .show_progress = false});
    ASSERT_EQ(cut.steps, stop);
    std::filesystem::remove_all(RunFolder(runs.path() / "parts").checkpoint(stop));
  }
  // The evaluations at each artificial end must not count: start the last part from a clean note of
  // the best.
  std::filesystem::remove(runs.path() / "parts/best");
  TrainingResult resumed =
      train(options, store, {.run = runs.path() / "parts", .resume = true, .show_progress = false});
  EXPECT_EQ(resumed.steps, whole.steps);
  auto a = checkpoint_files(RunFolder(runs.path() / "whole").checkpoint(whole.steps)),
       b = checkpoint_files(RunFolder(runs.path() / "parts").checkpoint(whole.steps));
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, bytes] : a)
    if (name != "manifest.json") {
      EXPECT_TRUE(bytes == b[name]) << name;
    }
}

TEST(Training, SkipsDamagedCheckpointsAndNamesThem) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.train.max_steps = 20;
  options.train.checkpoint_every = 5;
  TemporaryFolder runs;
  train(options, store, {.run = runs.path() / "run", .show_progress = false});
  RunFolder folder(runs.path() / "run");
  ASSERT_EQ(folder.checkpoints().back(), 20);
  std::string bytes = read_file(folder.checkpoint(20) / "dense.safetensors");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1);
  std::ofstream(folder.checkpoint(20) / "dense.safetensors", std::ios::binary) << bytes;
  std::filesystem::create_directory(runs.path() / "run/step-000099.tmp-1");
  std::vector<std::string> lines;
  options.train.max_steps = 22;
  TrainingResult result = train(options, store,
                                {.run = runs.path() / "run",
                                 .resume = true,
                                 .report = [&](const std::string& line) { lines.push_back(line); },
                                 .show_progress = false});
  EXPECT_EQ(result.steps, 22);
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  EXPECT_NE(all.find("dense.safetensors is damaged"), std::string::npos) << all;
  EXPECT_NE(all.find("step-000099.tmp-1 was never published"), std::string::npos) << all;
  EXPECT_NE(all.find("resumed from step-000015"), std::string::npos) << all;
  EXPECT_THROW(train(options, store, {.run = runs.path() / "run", .show_progress = false}),
               InvalidArgument)
      << "an existing run is not overwritten";
}

TEST(Training, StopsOnASignalWithACheckpoint) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  TemporaryFolder runs;
  std::atomic<bool> stop = true;
  TrainingResult result =
      train(options, store, {.run = runs.path() / "run", .stop = &stop, .show_progress = false});
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(result.steps, 1);
  EXPECT_EQ(RunFolder(runs.path() / "run").newest(nullptr), 1);
}

TEST(Training, EvaluationLeavesTheModelAsItWasAndEncodesWhatIsMissing) {
  SampleStore store(shared_world().folder.path() / "store");
  Bench bench(shared_world().options, store);
  BatchLoader loader(store, {.batch_size = 128});
  bench.step.run(*loader.next(), 1, 1);
  int64_t stored = bench.state.bank->size();
  Evaluation first = Evaluator(store, bench.state, 100).run("valid"),
             second = Evaluator(store, bench.state, 37).run("valid");
  EXPECT_GT(first.encoded_documents, 0);
  EXPECT_GT(first.cold_rows, 0);
  EXPECT_EQ(bench.state.bank->size(), stored);
  EXPECT_TRUE(bench.state.model->is_training());
  ASSERT_EQ(first.scores.size(), second.scores.size());
  for (size_t i = 0; i < first.scores.size(); ++i)
    ASSERT_NEAR(first.scores[i], second.scores[i], 1e-5) << "the batch's size does not matter";
}

TEST(Training, FreshEvaluationReadsNothingFromTheBank) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank.fresh_evaluation = true;
  Bench bench(options, store);
  BatchLoader loader(store, {.batch_size = 128});
  std::optional<Batch> batch = loader.next();
  bench.step.run(*batch, 1, 1);
  Evaluation before = Evaluator(store, bench.state, 100).run("valid");
  std::vector<uint64_t> keys;
  for (uint32_t document : batch->documents) keys.push_back(store.document_keys()[document]);
  std::vector<int32_t> rows(keys.size());
  bench.state.bank->write(keys, torch::ones({std::ssize(keys), options.model.representation_width}),
                          2, rows);
  EXPECT_EQ(Evaluator(store, bench.state, 100).run("valid").scores, before.scores);
  bench.state.options.bank.fresh_evaluation = false;
  EXPECT_NE(Evaluator(store, bench.state, 100).run("valid").scores, before.scores);
}

TEST(Training, RefreshEncodesTheOldestAndMissingDocumentsOfHistories) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {.forward = 0.2, .backward = 0.2};
  BatchLoader loader(store, {.batch_size = 64});
  for (int i = 0; i < 20; ++i) loader.next();
  Batch batch = *loader.next();
  Bench plain(options, store);
  options.bank.refresh_budget = 0.5;
  Bench refreshed(options, store);
  for (int64_t step = 1; step <= 3; ++step) {
    StepMetrics without = plain.step.run(batch, step, 1), with = refreshed.step.run(batch, step, 1);
    EXPECT_EQ(without.refreshed, 0);
    EXPECT_GT(with.refreshed, 0);
    EXPECT_LE(with.refreshed, with.encoded / 2 + 1);
    EXPECT_GT(with.tokens, without.tokens);
    EXPECT_GT(with.history_coverage[1], without.history_coverage[1]);
    EXPECT_EQ(with.encoded, without.encoded) << "the draw of the targets stays";
  }
}

TEST(Training, HistoriesCarryAGradientWhereAskedFor) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {};
  // Only the histories can bring a gradient to the encoder.
  options.model.stop_gradient = true;
  options.model.alignment_weight = 0;
  std::vector<uint64_t> events;
  for (uint64_t e = 1500; e < 1756; ++e) events.push_back(e);
  Batch batch = make_batch(store, events);
  auto gradient = [&](bool history_gradient) {
    options.bank.history_gradient = history_gradient;
    Bench bench(options, store);
    bench.step.run(batch, 1, 1);
    return bench.state.model->named_parameters()["document_encoder.output.weight"]
        .grad()
        .abs()
        .max()
        .item<double>();
  };
  EXPECT_EQ(gradient(false), 0);
  EXPECT_GT(gradient(true), 0);
}

TEST(Training, FillsTheBankOfTheBestCheckpointOnce) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.train.max_steps = 12;
  options.train.evaluate_every = 4;
  options.train.average_decay = 0.9;
  options.bank.fill = true;
  options.model.text_start = "corpus";
  options.model.text_pooling = "weighted";
  TemporaryFolder runs;
  TrainerOptions how{.run = runs.path() / "run", .resume = true, .show_progress = false};
  std::vector<std::string> lines;
  how.report = [&](const std::string& line) { lines.push_back(line); };
  train(options, store, how);
  RunFolder folder(runs.path() / "run");
  auto filled = checkpoint_files(folder.checkpoint(*folder.best()));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("encoders start from the words of"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("filled: 300 documents"), std::string::npos) << lines[1];
  train(options, store, how);
  EXPECT_EQ(checkpoint_files(folder.checkpoint(*folder.best())), filled) << "not twice";

  ModelState state(options, store.schema(), folder.special_tokens());
  state.load(folder.checkpoint(*folder.best()));
  EXPECT_EQ(state.bank->size(), 300);
  state.options.bank.fresh_evaluation = false;
  Evaluation stored = Evaluator(store, state, 100).run("test");
  EXPECT_EQ(stored.encoded_documents, 0);
  EXPECT_EQ(stored.cold_rows, 0);
  state.options.bank.fresh_evaluation = true;
  Evaluation fresh = Evaluator(store, state, 100).run("test");
  for (size_t i = 0; i < fresh.scores.size(); ++i)
    ASSERT_NEAR(fresh.scores[i], stored.scores[i], 1e-5);
}

TEST(Training, WritesOfABankOnlyWhereThereIsOne) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.train.max_steps = options.train.log_every = 2;
  for (const bool enabled : {true, false}) {
    options.bank.enabled = enabled;
    TemporaryFolder runs;
    train(options, store, {.run = runs.path() / "run", .show_progress = false});
    const std::string metrics = read_file(runs.path() / "run/metrics.jsonl");
    EXPECT_NE(metrics.find("encoder/forward"), std::string::npos);
    EXPECT_EQ(metrics.find("bank/") != std::string::npos, enabled) << metrics;
    EXPECT_EQ(metrics.find("bank_deciles/staleness_10") != std::string::npos, enabled) << metrics;
  }
}

TEST(Training, AlignsFeedsByTheUsersLastDocuments) {
  World feed({.documents = 200, .users = 20, .events = 2000, .seed = 6}, {"data.columns.query="});
  SampleStore store(feed.folder.path() / "store");
  ASSERT_FALSE(store.schema().has_queries);
  BatchLoader loader(store, {.batch_size = 256});
  for (int i = 0; i < 3; ++i) loader.next();
  Batch batch = *loader.next();
  Options options = feed.options;
  options.bank = {};
  Bench bench(options, store);
  bench.step.run(batch, 1, 1);  // fills the bank
  const double first = bench.step.run(batch, 2, 1).alignment;
  for (int64_t step = 3; step < 20; ++step) bench.step.run(batch, step, 1);
  const double last = bench.step.run(batch, 20, 1).alignment;
  EXPECT_LT(last, 0.8 * first) << "it is learnt";
  auto parameters = bench.state.model->named_parameters();
  EXPECT_GT(parameters["feed_anchor.weight"].grad().abs().max().item<double>(), 0);
  const Evaluation few = Evaluator(store, bench.state, 20).run("valid"),
                   many = Evaluator(store, bench.state, 200).run("valid");
  ASSERT_TRUE(few.alignment && many.alignment);
  EXPECT_LT(*few.alignment, *many.alignment) << "the smaller the batch, the fewer negatives";
  EXPECT_FALSE(Evaluator(store, bench.state, 200).slices("valid", many).contains("query_seen"));
  expect_parts_add_up(options, store, make_batch(store, std::span(batch.events).first(100)));
  options.model.feed_history = "none such";
  expect_error<InvalidArgument>([&] { Bench(options, store); }, "names 'none such'");
  options.model.alignment_weight = 0;
  Bench off(options, store);
  EXPECT_FALSE(off.state.model->named_parameters().contains("feed_anchor.weight"));
}

/// Trains on a fresh run folder and returns the model of its best checkpoint.
std::unique_ptr<ModelState> trained_state(const Options& options, const SampleStore& store,
                                          const std::filesystem::path& run) {
  train(options, store, {.run = run, .show_progress = false});
  const RunFolder folder(run);
  return std::make_unique<ModelState>(load_model(folder, folder.choose("best", nullptr)));
}

TEST(Training, ASecondStageRanksOnFrozenVectorsOfTheFirst) {
  SampleStore store(shared_world().folder.path() / "store");
  Options first = shared_world().options;
  first.bank = {.fill = true};
  first.model.task_weights = {0};
  first.model.alignment_weight = 1;
  first.train.max_steps = 6;
  first.train.metric = "none";
  first.train.weight_decay = 0;
  TemporaryFolder folder;
  const auto pretrained = trained_state(first, store, folder.path() / "first");
  EXPECT_EQ(pretrained->bank->size(), static_cast<int64_t>(store.schema().num_documents));

  Options second = shared_world().options;
  second.bank = {.forward = 0, .backward = 0};
  second.model.alignment_weight = 0;
  second.train.max_steps = 6;
  second.train.start_from = folder.path() / "first";
  second.train.freeze_encoder_steps = -1;
  const auto ranker = trained_state(second, store, folder.path() / "second");
  auto before = pretrained->model->named_parameters(), after = ranker->model->named_parameters();
  const ModelState untrained(second, store.schema(), SpecialTokens::load(store.vocabulary_path()));
  for (const auto& item : untrained.model->named_parameters()) {
    const std::string& name = item.key();
    if (name.find("_encoder.") != std::string::npos) {
      EXPECT_TRUE(before[name].equal(after[name])) << name << " is the first stage's";
    } else if (name == "head.weight") {
      EXPECT_TRUE(before[name].eq(0).all().item<bool>()) << "the first stage trains no ranker";
      EXPECT_FALSE(after[name].eq(0).all().item<bool>()) << "the second does";
    }
  }
  EXPECT_EQ(read_file(RunFolder(folder.path() / "first").choose("best", nullptr) / "bank.rows"),
            read_file(RunFolder(folder.path() / "second").choose("best", nullptr) / "bank.rows"))
      << "written once";
}

TEST(Training, EndsPretrainingWhereAlignmentNoLongerFalls) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {.fresh_evaluation = true};
  options.model.task_weights = {0};
  options.model.alignment_weight = 1;
  options.model.text_start = "random";
  options.model.text_pooling = "cls";
  options.train.metric = "alignment";
  options.train.learning_rate = 0.01;  // over the hill within a few steps
  options.train.epochs = 20;
  options.train.warmup_steps = 8;
  options.train.evaluate_every = 4;
  options.train.patience = 2;
  TemporaryFolder folder;
  const TrainingResult result =
      train(options, store, {.run = folder.path() / "run", .show_progress = false});
  std::map<int64_t, double> losses;  // by step
  std::ifstream lines(folder.path() / "run/metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.contains("valid/alignment")) losses[json["step"]] = json["valid/alignment"];
  }
  const auto best = std::ranges::min_element(losses, {}, &std::pair<const int64_t, double>::second);
  EXPECT_LT(best->second, losses.begin()->second) << "it is learned";
  EXPECT_EQ(result.best_step, best->first);
  EXPECT_DOUBLE_EQ(result.best_metric.value(), best->second);
  EXPECT_GE(best->first, options.train.warmup_steps);
  EXPECT_EQ(result.steps, best->first + 8) << "two evaluations without gain end it";

  options.train.epochs = options.train.patience = 0;
  const TrainingResult decided =
      train(options, store, {.run = folder.path() / "decided", .show_progress = false});
  EXPECT_EQ(decided.best_step, result.best_step);
  EXPECT_EQ(decided.steps, best->first + 12) << "or three, where nothing is said";

  options.train.warmup_steps = 1000;
  options.train.max_steps = best->first + 20;
  const TrainingResult warming =
      train(options, store, {.run = folder.path() / "warming", .show_progress = false});
  EXPECT_EQ(warming.steps, options.train.max_steps) << "warm-up is not held against it";
  options.train.max_steps = 0;

  options.model.alignment_weight = 0;
  options.model.task_weights = {};
  expect_error<InvalidArgument>(
      [&] { train(options, store, {.run = folder.path() / "other", .show_progress = false}); },
      "needs model.alignment_weight above 0");
}

TEST(Training, NamesWhatARunToStartFromLacks) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  TemporaryFolder folder;
  options.train.start_from = "nothing";
  EXPECT_THROW(train(options, store,
                     {.run = folder.path() / "run", .base = folder.path(), .show_progress = false}),
               DataError);
  Options wide = shared_world().options;
  wide.train.max_steps = 1;
  wide.model.representation_width = 32;
  train(wide, store, {.run = folder.path() / "wide", .show_progress = false});
  options.train.start_from = "wide";
  expect_error<DataError>(
      [&] {
        train(options, store,
              {.run = folder.path() / "run", .base = folder.path(), .show_progress = false});
      },
      "is F32 [32");
}

TEST(Training, LeavesOutHistoriesOfRepresentations) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  const std::string name = store.schema().histories.front().name;
  const auto has = [&](const Options& options, const std::string& module) {
    Bench bench(options, store);
    bench.step.run(*BatchLoader(store, {.batch_size = 64}).next(), 1, 1);
    return bench.state.model->named_children().contains(module);
  };
  EXPECT_TRUE(has(options, "content_decoder_" + name));
  options.model.without_content_histories = {name};
  EXPECT_FALSE(has(options, "content_decoder_" + name));
  EXPECT_TRUE(has(options, "id_decoder_" + name)) << "its IDs stay";
  options.model.without_content_histories = {"nonsense"};
  expect_error<InvalidArgument>(
      [&] { Bench bench(options, store); },
      "model.without_content_histories names 'nonsense'; the store has no such history");
}

TEST(Training, AddsTheContentIdLossWhereItIsWanted) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {};
  options.model.content_id_weight = 0.5;
  Bench bench(options, store);
  const Batch batch = *BatchLoader(store, {.batch_size = 64}).next();
  bench.step.run(batch, 1, 1);  // until then all IDs have the same embedding
  const StepMetrics metrics = bench.step.run(batch, 2, 1);
  EXPECT_GT(metrics.content_id, 0);
  EXPECT_NEAR(metrics.loss,
              metrics.cross_entropy + options.model.alignment_weight * metrics.alignment +
                  0.5 * metrics.content_id,
              1e-5 * metrics.loss);
  EXPECT_GT(bench.state.model->named_parameters()["content_id.weight"].grad().norm().item<float>(),
            0);
  options.model.without_features = {"document"};
  expect_error<InvalidArgument>([&] { Bench refused(options, store); },
                                "needs a category feature on the document's ID");
}

TEST(Training, TrainsSparseExperts) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {};
  options.model.ranker = "rankmixer_moe";
  options.model.expert_penalty = 0.5;
  Bench bench(options, store);
  BatchLoader loader(store, {.batch_size = 64});
  const Batch batch = *loader.next();
  const double before = bench.step.run(batch, 1, 1).cross_entropy;
  for (int64_t step = 2; step <= 30; ++step) bench.step.run(batch, step, 1);
  EXPECT_LT(bench.step.run(batch, 31, 1).cross_entropy, before);
  for (const auto& item : bench.state.model->named_parameters())
    if (item.key().ends_with("_router.weight")) {
      EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
    }
}

/// By hand: a multiplication and an addition are two operations, a layer's backward pass twice its
/// forward pass.
TEST(Training, CountsTheOperationsOfAStep) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.bank = {};
  options.model.document_layers = options.model.query_layers = 1;
  options.model.text_pooling = "cls";
  options.model.ranker = "mlp";
  options.model.mlp_widths = {24};
  Bench bench(options, store);
  const Batch batch = *BatchLoader(store, {.batch_size = 50}).next();
  const StepMetrics metrics = bench.step.run(batch, 1, 1);
  const auto of = [&](FlopPart part) { return metrics.flops[static_cast<size_t>(part)]; };

  const int64_t samples = 50, labels = 1;
  const auto p = bench.state.model->named_parameters();
  const int64_t input = p["mlp.layer_0.weight"].size(1);
  EXPECT_EQ(of(FlopPart::kRanker), 3 * 2 * samples * (input * 24 + 24 * labels));

  // One layer of width d over I texts of `tokens` tokens, of which the first row is all that is
  // computed behind the keys and values; then the projection to r = d.
  const int64_t d = 16, ffn = 4 * d;
  const auto encoder = [&](int64_t texts, int64_t tokens) {
    const int64_t linear = 2 * tokens * 2 * d * d + 2 * texts * (2 * d * d + 2 * d * ffn + d * d);
    return 3 * linear + (4 + 10) * tokens * d;  // the scores are computed again in backward
  };
  const TokenBatch documents = pack_documents(store, batch.documents, bench.state.packing()),
                   queries = pack_queries(store, batch.queries, options.model.query_max_tokens,
                                          bench.state.special);
  EXPECT_EQ(of(FlopPart::kEncoders),
            encoder(std::ssize(batch.documents), documents.tokens.numel()) +
                encoder(std::ssize(batch.queries), queries.tokens.numel()));
  EXPECT_GT(of(FlopPart::kHistories), 0);
  EXPECT_GT(of(FlopPart::kOther), 0) << "of the alignment";
  const int64_t all = std::accumulate(metrics.flops.begin(), metrics.flops.end(), int64_t{0});
  EXPECT_GT(metrics.flops_backward, all / 2);
  EXPECT_LT(metrics.flops_backward, all);

  options.model.encoder_dropout = 0.1;
  Bench dropping(options, store);
  EXPECT_EQ(dropping.step.run(batch, 1, 1).flops, Flops{}) << "no count rather than half of one";
}

TEST(Training, NamesADeviceThatIsNotThere) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "there is a GPU";
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  options.train.device = "cuda";
  TemporaryFolder folder;
  const TrainerOptions how{.run = folder.path() / "run", .base = folder.path()};
  expect_error<InvalidArgument>([&] { train(options, store, how); },
                                "[train] device 'cuda' asked for");
  EXPECT_FALSE(std::filesystem::exists(how.run));
}

TEST(Training, LeavesOutFeatures) {
  SampleStore store(shared_world().folder.path() / "store");
  Options options = shared_world().options;
  Bench with(options, store);
  options.model.without_features = {"document", "author"};
  Bench without(options, store);
  auto names = [](Bench& bench) { return bench.state.model->named_parameters(); };
  EXPECT_TRUE(names(with).contains("id_decoder_long.empty"));
  EXPECT_FALSE(names(without).contains("id_decoder_long.empty")) << "their table is left out too";
  // What they hold no longer matters to a score.
  const Batch batch = *BatchLoader(store, {.batch_size = 64}).next();
  Batch other = batch;
  for (size_t f = 0; f < other.features.size(); ++f) {
    const std::string& name = store.schema().features[f].name;
    if (name != "document" && name != "author") continue;
    for (uint64_t& key : other.features[f].keys) key = ~key;
  }
  const auto scores = [&](const Options& options, const Batch& batch) {
    Bench bench(options, store);
    for (int64_t step = 1; step <= 3; ++step) bench.step.run(batch, step, 1);
    return bench.step.run(batch, 4, 1).scores;
  };
  EXPECT_EQ(scores(options, batch), scores(options, other));
  EXPECT_NE(scores(shared_world().options, batch), scores(shared_world().options, other));
  options.model.without_features = {"titel"};
  expect_error<InvalidArgument>([&] { Bench(options, store); }, "names 'titel'");
}

TEST(Training, LearnsNothingFromLabelsThatMeanNothing) {
  // Labels drawn by a hash of the row; half of the events are the test, so that chance stays below
  // 0.02.
  World world(
      {.documents = 300, .users = 60, .events = 24000, .seed = 7},
      {"data.split.test=0.5", "train.batch_size=256",
       "data.events=sql: SELECT * REPLACE (CAST(hash(request, document, position) % 4 = 0 AS "
       "INTEGER) AS label) FROM 'events.parquet'"});
  SampleStore store(world.folder.path() / "store");
  TemporaryFolder runs;
  train(world.options, store, {.run = runs.path() / "run", .show_progress = false});
  RunFolder folder(runs.path() / "run");
  ModelState state(world.options, store.schema(), folder.special_tokens());
  state.load(folder.checkpoint(*folder.newest(nullptr)));
  Evaluation evaluation = Evaluator(store, state, 512).run("test");
  ASSERT_GT(evaluation.metrics.rows, 11000);
  EXPECT_NEAR(*evaluation.metrics.auc, 0.5, 0.02);
}

}  // namespace
}  // namespace lemur
