// What a training run does where something goes wrong: numbers that are none, rows without weight,
// a second trainer, a configuration that changed, a full disk.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>

#include "lemur/base/folder_lock.h"
#include "lemur/base/testing.h"
#include "lemur/data/batch_loader.h"
#include "lemur/data/run_folder.h"
#include "lemur/model/corpus_start.h"
#include "lemur/train/trainer.h"
#include "lemur/train/training_state.h"
#include "tests/step_bench.h"
#include "tests/world_fixture.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A world whose events have a number, "height", and a weight, which is 0 for every third document.
World& numbered_world() {
  static World world(
      {.documents = 300, .users = 40, .events = 3000, .seed = 5},
      {"data.events=sql: SELECT *, position * 1.5 AS height, CAST(hash(document) % "
       "3 > 0 AS INTEGER) AS weight FROM 'events.parquet'",
       "data.columns.weight=weight"},
      "[[data.feature]]\ncolumn = \"height\"\nof = \"context\"\nkind = \"number\"\n");
  return world;
}

/// A copy of that world's store, whose heights a test may spoil, and a folder for runs.
class RunFaults : public testing::Test {
 protected:
  RunFaults() : options_(numbered_world().options) {
    options_.model.embedding_dropout = 0;  // draws also where a step changes nothing
    fs::copy(numbered_world().folder.path() / "store", folder_.path() / "store",
             fs::copy_options::recursive);
    store_.emplace(folder_.path() / "store");
    const auto& features = store_->schema().features;
    height_ = static_cast<size_t>(
        std::ranges::find(features, "height", &StoreSchema::Feature::name) - features.begin());
  }

  /// Writes the height of an event into the store.
  void set_height(uint64_t event, float value) const {
    std::fstream file(folder_.path() / fmt::format("store/feature_{}.f32", height_),
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(event * sizeof(float)));
    file.write(reinterpret_cast<const char*>(&value), sizeof(value));
    ASSERT_TRUE(file.good());
  }

  TrainingResult run(const Options& options, const std::string& name = "run") {
    return train(options, *store_,
                 {.run = folder_.path() / name,
                  .resume = true,
                  .report = [this](const std::string& line) { lines_ += line + "\n"; },
                  .show_progress = false});
  }

  RunFolder folder(const std::string& name = "run") const {
    return RunFolder(folder_.path() / name);
  }

  std::vector<nlohmann::json> lines_of(const std::string& file) const {
    std::vector<nlohmann::json> lines;
    std::istringstream in(read_file(folder_.path() / file));
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  /// Returns all that a step may change, as a checkpoint has it.
  std::map<std::string, std::string> everything(Bench& bench) const {
    save_checkpoint(folder_.path() / "everything", {}, bench.state, bench.optimizer);
    auto files = checkpoint_files(folder_.path() / "everything");
    fs::remove_all(folder_.path() / "everything");
    return files;
  }

  Batch batch(uint64_t first, uint64_t count = 64) const {
    std::vector<uint64_t> events(count);
    std::iota(events.begin(), events.end(), first);
    return make_batch(*store_, events);
  }

  TemporaryFolder folder_;
  std::optional<SampleStore> store_;
  Options options_;
  size_t height_ = 0;
  std::string lines_;
};

/// What makes a step's numbers none, and how the fault reads.
struct Fault {
  const char* name;
  const char* message;
  std::function<void(Bench&, Batch&, size_t height)> inject;
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

class StepFaults : public RunFaults, public testing::WithParamInterface<Fault> {};

TEST_P(StepFaults, ChangeNothing) {
  options_.bank = {.forward = 0.5, .backward = 0.3, .refresh_budget = 0.2};
  options_.bank.deferred_gradient = true;
  Bench bench(options_, *store_), twin(options_, *store_);
  for (int64_t step = 1; step <= 3; ++step)
    for (Bench* each : {&bench, &twin})
      EXPECT_EQ(each->step.run(batch(64 * static_cast<uint64_t>(step)), step, 1).fault, "");
  const auto before = everything(bench);
  Batch bad = batch(1000);
  {
    torch::NoGradGuard no_grad;
    GetParam().inject(bench, bad, height_);
  }
  const StepMetrics metrics = bench.step.run(bad, 4, 1);
  EXPECT_NE(metrics.fault.find(GetParam().message), std::string::npos) << metrics.fault;
  const bool spoils_weights = metrics.fault.find("key") != std::string::npos;
  for (const auto& [name, bytes] : everything(bench))
    if (!spoils_weights || name.ends_with(".rows")) {
      EXPECT_EQ(bytes, before.at(name)) << name;
    }
  if (spoils_weights) return;
  // What comes next is as if the step had never been.
  for (Bench* each : {&bench, &twin}) EXPECT_EQ(each->step.run(batch(1000), 5, 1).fault, "");
  const auto found = everything(bench);
  for (const auto& [name, bytes] : everything(twin)) EXPECT_EQ(bytes, found.at(name)) << name;
}

/// Multiplies the gradient of a parameter, once.
void spoil_gradient(Bench& bench, double factor) {
  auto is_done = std::make_shared<bool>(false);
  bench.state.model->named_parameters()["head.weight"].register_hook(
      [=](const torch::Tensor& gradient) {
        return std::exchange(*is_done, true) ? gradient : gradient * factor;
      });
}

INSTANTIATE_TEST_SUITE_P(
    Of, StepFaults,
    testing::Values(Fault{"Loss", "the loss is nan",
                          [](Bench&, Batch& batch, size_t height) {
                            batch.features[height].numbers[7] = kInfinity;
                          }},
                    Fault{"Weight", "the loss is nan",
                          [](Bench&, Batch& batch, size_t) { batch.weights[7] = kInfinity; }},
                    Fault{"Gradient", "the gradient's norm is ",
                          [](Bench& bench, Batch&, size_t) { spoil_gradient(bench, 1e300); }},
                    Fault{"HugeGradient", "the gradient's norm is ",
                          [](Bench& bench, Batch&, size_t) { spoil_gradient(bench, 1e30); }},
                    Fault{
                        "Representation", "the vector of key",
                        [](Bench& bench, Batch&, size_t) {
                          bench.state.model->named_parameters()["document_encoder.output.bias"][0] =
                              kInfinity;
                        }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(RunFaults, FaultsOfOnePartUndoTheWholeStep) {
  options_.train.micro_batch_size = 24;
  options_.bank.refresh_budget = 0.5;
  options_.bank.refresh = "expected";
  Bench bench(options_, *store_);
  const StepMetrics first = bench.step.run(batch(0), 1, 1);
  EXPECT_EQ(first.fault, "");
  EXPECT_GT(first.refreshed, 0);
  const auto before = everything(bench);
  set_height(1060, kInfinity);  // of the last part
  EXPECT_EQ(bench.step.run(batch(1000), 2, 1).fault, "the loss is nan");
  for (const auto& [name, bytes] : everything(bench)) EXPECT_EQ(bytes, before.at(name)) << name;
}

TEST_F(RunFaults, QuarantinesTheRowsOfASkippedStepAndGoesOn) {
  uint64_t spoilt = 500;
  while (store_->weights()[spoilt] == 0) ++spoilt;
  set_height(spoilt, kInfinity);
  options_.train.epochs = 2;
  options_.train.log_every = 1;
  options_.train.max_skipped_share = 0.02;
  const TrainingResult result = run(options_, "whole");
  EXPECT_EQ(result.steps % 2, 0);
  EXPECT_EQ(result.skipped, 2);
  EXPECT_NE(lines_.find(" is skipped: the loss is nan"), std::string::npos) << lines_;
  const auto rows = lines_of("whole/quarantine.jsonl");
  std::set<int64_t> steps;
  int64_t without_score = 0;
  for (const auto& row : rows) {
    steps.insert(row["step"].get<int64_t>());
    if (!row["score"].is_null()) continue;
    ++without_score;
    EXPECT_EQ(row["event"], spoilt);
  }
  EXPECT_EQ(steps.size(), 2u) << "once in each pass";
  EXPECT_EQ(without_score, 2);
  EXPECT_GT(rows.size(), 64u);
  std::vector<nlohmann::json> skipped;
  for (const auto& line : lines_of("whole/metrics.jsonl"))
    if (line.contains("train/skipped_steps")) skipped.push_back(line["train/skipped_steps"]);
  EXPECT_EQ(skipped.front(), 0);
  EXPECT_EQ(skipped.back(), 2);

  // Cut behind the first skipped step, it ends the same.
  Options part = options_;
  part.train.max_steps = *steps.begin() + 1;
  part.train.metric = options_.train.metric = "none";
  run(part, "parts");
  run(options_, "parts");
  run(options_, "straight");
  EXPECT_EQ(lines_of("parts/quarantine.jsonl"), lines_of("straight/quarantine.jsonl"));
  const auto a = checkpoint_files(folder("parts").checkpoint(result.steps)),
             b = checkpoint_files(folder("straight").checkpoint(result.steps));
  for (const auto& [name, bytes] : a) EXPECT_EQ(bytes, b.at(name)) << name;
}

TEST_F(RunFaults, StopsWhereTooManyStepsAreSkipped) {
  for (uint64_t event = 200; event < 1000; ++event) set_height(event, kInfinity);
  options_.train.checkpoint_every = 2;
  options_.train.order = "time";
  const std::string message = message_of<DataError>([&] { run(options_); });
  EXPECT_TRUE(
      message.starts_with("[train] 2 of 5 steps were skipped, more than "
                          "train.max_skipped_share = 0.01 allows; the last because the "
                          "loss is nan: row "))
      << message;
  EXPECT_NE(message.find("run/quarantine.jsonl"), std::string::npos) << message;
  EXPECT_EQ(folder().newest(nullptr), 4) << "its checkpoint survives";
}

TEST_F(RunFaults, WritesACheckpointBeforeTheFirstEvaluation) {
  options_.train.max_steps = 6;
  options_.train.evaluate_every = 4;
  const uint64_t event = store_->schema().split("valid").begin + 3;
  const float height = store_->numbers(height_)[event];
  set_height(event, kInfinity);
  EXPECT_EQ(message_of<DataError>([&] { run(options_); }),
            fmt::format("[evaluate] the score of row {} of the events (user '{}', document '{}') "
                        "is no number",
                        store_->rows()[event], store_->user_id(store_->users()[event]),
                        store_->document_id(store_->documents()[event])));
  ASSERT_EQ(folder().newest(nullptr), 4);
  set_height(event, height);
  run(options_);
  run(options_, "straight");
  int64_t evaluations = 0;
  for (const auto& line : lines_of("run/metrics.jsonl"))
    evaluations += line["step"] == 4 && line.contains("valid/auc") ? 1 : 0;
  EXPECT_EQ(evaluations, 1) << "what failed is made up for";
  const auto a = checkpoint_files(folder().checkpoint(6)),
             b = checkpoint_files(folder("straight").checkpoint(6));
  for (const auto& [name, bytes] : a) EXPECT_EQ(bytes, b.at(name)) << name;
}

TEST_F(RunFaults, RowsOfWeightZeroTrainNothing) {
  options_.train.epochs = 1;
  options_.train.metric = "none";
  options_.train.order = "time";
  options_.train.average_decay = 0;
  options_.train.warmup_steps = 0;
  options_.train.schedule = "constant";
  options_.bank = {};
  const TrainingResult result = run(options_);
  // The same batches by hand, without the rows of weight 0.
  Bench bench(options_, *store_);
  start_from_data(*store_, bench.state);
  bench.state.model->pass_encoder_gradient(options_.train.encoder_gradient);
  const auto& split = store_->schema().split("train");
  const auto size = static_cast<uint64_t>(options_.train.batch_size);
  int64_t step = 0;
  std::set<uint32_t> seen, all;
  for (uint64_t begin = split.begin; begin < split.end; begin += size) {
    std::vector<uint64_t> events;
    for (uint64_t e = begin; e < std::min(begin + size, split.end); ++e) {
      all.insert(store_->documents()[e]);
      if (store_->weights()[e] == 0) continue;
      events.push_back(e);
      seen.insert(store_->documents()[e]);
    }
    bench.step.run(make_batch(*store_, events), ++step, 1);
  }
  EXPECT_EQ(result.steps, step);
  ASSERT_LT(seen.size(), all.size());
  const ModelState trained = load_model(folder(), folder().checkpoint(step));
  EXPECT_EQ(trained.bank->size(), std::ssize(seen)) << "no document of weight 0 is encoded";
  EXPECT_EQ(trained.tables.num_rows(), bench.state.tables.num_rows());
  auto expected = bench.state.model->named_parameters();
  for (const auto& item : trained.model->named_parameters())
    EXPECT_TRUE(item.value().equal(expected[item.key()])) << item.key();
}

TEST_F(RunFaults, TellsASecondTrainerWhoTheFirstIs) {
  options_.train.max_steps = 2;
  run(options_);
  const auto files = checkpoint_files(folder().path());
  const FolderLock first(folder().path(), "train");
  options_.train.max_steps = 4;
  for (const bool resume : {true, false})
    expect_error<DataError>(
        [&] {
          train(options_, *store_,
                {.run = folder().path(), .resume = resume, .show_progress = false});
        },
        fmt::format("[train] {} is in use by process {} on ", folder().path().string(), getpid()));
  EXPECT_EQ(checkpoint_files(folder().path()), files) << "nothing was touched";
}

TEST_F(RunFaults, AFinishedRunGoesOnWithMoreEpochs) {
  options_.train.schedule = "constant";
  options_.train.epochs = 2;
  const TrainingResult whole = run(options_, "whole");
  options_.train.epochs = 1;
  run(options_);
  EXPECT_EQ(run(options_).steps, whole.steps / 2) << "it is finished";
  options_.train.epochs = 2;
  lines_.clear();
  EXPECT_EQ(run(options_).steps, whole.steps);
  EXPECT_NE(lines_.find("the run goes on with train.epochs: 1 -> 2"), std::string::npos) << lines_;
  EXPECT_EQ(folder().options().train.epochs, 2);
  const auto a = checkpoint_files(folder().checkpoint(whole.steps)),
             b = checkpoint_files(folder("whole").checkpoint(whole.steps));
  for (const auto& [name, bytes] : a) EXPECT_EQ(bytes, b.at(name)) << name;
}

TEST_F(RunFaults, RefusesKeysThatCannotChange) {
  options_.train.max_steps = 2;
  run(options_);
  options_.train.max_steps = 4;
  options_.train.batch_size = 32;
  expect_error<InvalidArgument>([&] { run(options_); }, "train.batch_size = 64, not 32");
  EXPECT_EQ(folder().options().train.batch_size, 64);
  EXPECT_EQ(folder().options().train.max_steps, 2) << "nothing was changed";
  options_.train.batch_size = 64;
  EXPECT_EQ(run(options_).steps, 4);
}

TEST_F(RunFaults, AFullDiskLeavesTheCheckpointBefore) {
  options_.train.max_steps = 2;
  options_.train.metric = "none";
  run(options_);
  options_.train.max_steps = 4;
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{65536, before.rlim_max};  // less than the weights
  ::setrlimit(RLIMIT_FSIZE, &full);
  const std::string message = message_of<DataError>([&] { run(options_); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(message.starts_with("[files] cannot write " + folder().checkpoint(4).string()))
      << message;
  EXPECT_TRUE(message.ends_with(": File too large")) << message;
  EXPECT_EQ(folder().checkpoints(), (std::vector<int64_t>{2}));
  EXPECT_EQ(run(options_).steps, 4) << "and the run goes on from there";
}

}  // namespace
}  // namespace lemur
