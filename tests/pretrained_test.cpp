// What must hold of training runs that start from pretrained encoders: freezing, resuming.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/error.h"
#include "lemur/base/safetensors.h"
#include "lemur/data/run_folder.h"
#include "lemur/data/sample_store_testing.h"
#include "lemur/model/model_state.h"
#include "lemur/text/tokenizer.h"
#include "lemur/train/trainer.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

/// A copy of the small BERT of tests/golden, a store of its vocabulary and options of short runs.
class PretrainedRun : public ::testing::Test {
 protected:
  PretrainedRun() {
    fs::copy(fs::path(LEMUR_GOLDEN) / "bert", folder.path() / "bert");
    write_store(folder.path() / "store", random_store({.num_events = 400, .vocabulary = 40}),
                Tokenizer::load(folder.path() / "bert/vocab.txt", true).pieces());
    ModelOptions& model = options.model;
    model.document_pretrained = model.query_pretrained = "bert";
    model.representation_width = model.token_width = 16;
    model.tokens = 4;
    model.ranker_layers = 1;
    options.train.batch_size = 32;
    options.train.epochs = 1;
    options.train.threads = 1;
    options.train.warmup_steps = 0;
    options.train.weight_decay = 0.1;
    options.train.keep_checkpoints = 100;
  }

  TrainingResult run(const std::string& name, bool resume = false) {
    return train(options, SampleStore(folder.path() / "store"),
                 {.run = folder.path() / name,
                  .base = folder.path(),
                  .resume = resume,
                  .show_progress = false});
  }
  /// The bytes of a tensor of the run's newest checkpoint.
  std::string tensor(const std::string& name, const std::string& tensor) const {
    RunFolder run(folder.path() / name);
    SafetensorsFile file(run.checkpoint(*run.newest(nullptr)) / "dense.safetensors");
    return std::string(file.entries().at(tensor).data);
  }
  std::string pretrained(const std::string& name) const {
    SafetensorsFile file(fs::path(LEMUR_GOLDEN) / "bert/model.safetensors");
    return std::string(file.entries().at("bert." + name).data);
  }

  TemporaryFolder folder;
  Options options;
};

const char* const kWords = "document_encoder.word_embedding.weight";
const char* const kTheirWords = "embeddings.word_embeddings.weight";
const char* const kLayer = "query_encoder.layer_1.ffn_output.weight";
const char* const kTheirLayer = "encoder.layer.1.output.dense.weight";
const char* const kProjection = "document_encoder.output.weight";

TEST_F(PretrainedRun, FrozenWeightsStayBitIdentical) {
  options.train.freeze_encoder_steps = -1;
  options.train.average_decay = 0.9;
  run("frozen");
  EXPECT_TRUE(tensor("frozen", kWords) == pretrained(kTheirWords));
  EXPECT_TRUE(tensor("frozen", kLayer) == pretrained(kTheirLayer));
  options.train.freeze_encoder_steps = 0;
  run("free");
  EXPECT_FALSE(tensor("free", kWords) == pretrained(kTheirWords));
  EXPECT_FALSE(tensor("free", kLayer) == pretrained(kTheirLayer));
  EXPECT_FALSE(tensor("free", kProjection) == tensor("frozen", kProjection));
}

TEST_F(PretrainedRun, ThawsBehindTheLastFrozenStep) {
  options.train.freeze_encoder_steps = options.train.max_steps = 3;
  run("run");
  EXPECT_TRUE(tensor("run", kLayer) == pretrained(kTheirLayer));
  options.train.max_steps = 4;
  run("longer");
  EXPECT_FALSE(tensor("longer", kLayer) == pretrained(kTheirLayer));
}

TEST_F(PretrainedRun, ResumesAcrossTheThawWithoutThePretrainedFolder) {
  options.train.freeze_encoder_steps = 4;
  options.train.checkpoint_every = 2;
  const TrainingResult whole = run("whole");
  ASSERT_GT(whole.steps, 6);
  run("parts");
  RunFolder parts(folder.path() / "parts");
  for (int64_t step : parts.checkpoints())
    if (step > 2) fs::remove_all(parts.checkpoint(step));
  fs::remove(parts.path() / "best");
  fs::remove_all(folder.path() / "bert");
  EXPECT_EQ(run("parts", /*resume=*/true).steps, whole.steps);
  for (const char* name : {kWords, kLayer, kProjection, "head.weight"})
    EXPECT_TRUE(tensor("parts", name) == tensor("whole", name)) << name;

  // Evaluation and export build the model from the run alone.
  ModelState state(parts.options(), parts.schema(), parts.special_tokens());
  state.load(parts.checkpoint(whole.steps));
  options.model.query_pretrained = "other";
  expect_error<InvalidArgument>([&] { run("parts", /*resume=*/true); },
                                "model.query_pretrained = \"bert\", not \"other\"");
}

TEST_F(PretrainedRun, LeavesNoRunWhereTheWeightsCannotBeRead) {
  fs::resize_file(folder.path() / "bert/model.safetensors", 1000);
  expect_error<DataError>([&] { run("run"); }, "model.safetensors");
  EXPECT_FALSE(RunFolder(folder.path() / "run").exists());
}

}  // namespace
}  // namespace lemur
