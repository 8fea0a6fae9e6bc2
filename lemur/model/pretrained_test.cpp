#include "lemur/model/pretrained.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/folder.h"
#include "lemur/data/sample_store_testing.h"
#include "lemur/model/bert_checkpoint.h"
#include "lemur/text/tokenizer.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

/// A copy of the small BERT of tests/golden, a store of its vocabulary, and options that start both
/// encoders from it.
class PretrainedTest : public ::testing::Test {
 protected:
  PretrainedTest() {
    fs::copy(fs::path(LEMUR_GOLDEN) / "bert", folder.path() / "bert");
    options.model.document_pretrained = options.model.query_pretrained = "bert";
    pieces = Tokenizer::load(folder.path() / "bert/vocab.txt", true).pieces();
  }

  SampleStore store() {
    write_store(folder.path() / "store", random_store(kind), pieces);
    return SampleStore(folder.path() / "store");
  }
  void adopt() { adopt_pretrained(options, store(), folder.path()); }
  void refuses(const std::string& part) {
    expect_error<InvalidArgument>([&] { adopt(); }, part);
  }
  RankingModel load() {
    adopt();
    RankingModel model(options.model, true, store().schema());
    lines = load_pretrained(options.model, folder.path(), *model);
    return model;
  }

  TemporaryFolder folder;
  RandomStoreOptions kind{.vocabulary = 40};
  std::vector<std::string> pieces, lines;
  Options options;
};

TEST_F(PretrainedTest, TakesTheSizesOfTheCheckpoint) {
  adopt();
  for (const BertSizes& sizes : {options.model.document_bert, options.model.query_bert}) {
    EXPECT_EQ(sizes.vocabulary, 40);
    EXPECT_EQ(sizes.width, 16);
    EXPECT_EQ(sizes.layers, 2);
    EXPECT_EQ(sizes.heads, 2);
    EXPECT_EQ(sizes.ffn, 24);
    EXPECT_EQ(sizes.max_length, 24);
    EXPECT_EQ(sizes.norm_epsilon, 1e-12);
  }
}

TEST_F(PretrainedTest, BothEncodersHoldItsWeightsAndShareItsWords) {
  RankingModel model = load();
  BertEncoder direct(bert_encoder_options(options.model.query_bert, 1, 5, 0));
  load_bert(folder.path() / "bert", direct);
  const auto parameters = model->named_parameters();
  EXPECT_FALSE(parameters.contains("query_encoder.word_embedding.weight"));
  for (const auto& item : direct->named_parameters()) {
    if (item.key().starts_with("output.") || item.key().starts_with("field_")) continue;
    EXPECT_TRUE(item.value().equal(parameters["document_encoder." + item.key()])) << item.key();
    if (!item.key().starts_with("word_")) {
      EXPECT_TRUE(item.value().equal(parameters["query_encoder." + item.key()])) << item.key();
    }
  }
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0],
            "document encoder: 2 layers of width 16 from bert; 2 of its tensors are not used: "
            "bert.pooler.dense.bias, bert.pooler.dense.weight");
}

TEST_F(PretrainedTest, TakesAsManyLayersAsAreAskedFor) {
  options.model.query_layers = 1;
  RankingModel model = load();
  EXPECT_EQ(options.model.document_bert.layers, 2);
  EXPECT_EQ(options.model.query_bert.layers, 1);
  EXPECT_FALSE(model->named_parameters().contains("query_encoder.layer_1.qkv.weight"));
  options.model.document_layers = 3;
  refuses("model.document_layers = 3, but " + (folder.path() / "bert").string() + " has 2 layers");
}

TEST_F(PretrainedTest, OneEncoderMayBeLemursOwn) {
  options.model.query_pretrained = "";
  refuses(
      "model.share_word_embeddings needs one origin of both encoders, but "
      "model.document_pretrained = 'bert' and model.query_pretrained = '': set it to false");
  options.model.share_word_embeddings = false;
  options.model.encoder_width = 8;
  RankingModel model = load();
  EXPECT_EQ(model->query_encoder()->word_embedding()->weight.size(1), 8);
  EXPECT_EQ(lines.size(), 1u);
}

TEST_F(PretrainedTest, DoesNothingWithoutContent) {
  options.model.content = false;
  RankingModel model = load();
  EXPECT_TRUE(model->document_bert().is_empty());
  EXPECT_TRUE(lines.empty());
}

TEST_F(PretrainedTest, NamesSizesThatContradict) {
  options.model.encoder_width = 64;
  refuses("model.encoder_width = 64, but it is 16 in 'bert': set it so or leave it out");
  options.model.encoder_width = 16;
  options.model.encoder_heads = 8;
  refuses("model.encoder_heads = 8, but it is 2 in 'bert'");
  options.model.encoder_heads = 2;
  options.model.query_max_tokens = 23;
  refuses("texts for model.query_pretrained have up to 25 tokens, [CLS] and [SEP] included, but " +
          (folder.path() / "bert").string() + " has 24 positions");
}

TEST_F(PretrainedTest, NamesWhatCannotBeEncoded) {
  kind.image_pixels = 16;
  refuses("images ([[data.image]] 'cover') need lemur's own document encoder");
  kind.image_pixels = 0;
  kind.num_queries = 0;
  refuses("model.query_pretrained = 'bert' has nothing to encode");
}

TEST_F(PretrainedTest, NamesTheFirstPieceThatDiffers) {
  const auto original = pieces;
  pieces[7] = "other";
  refuses("piece 7 is 'other' in the store's vocabulary and 'c' in " +
          (folder.path() / "bert/vocab.txt").string() + ": ingest with tokenizer.vocab = ");
  pieces = original;
  pieces.pop_back();
  refuses("the store's vocabulary has 39 pieces, ");
}

TEST_F(PretrainedTest, NamesATokenizerOfAnotherCase) {
  write_file_atomically(folder.path() / "bert/tokenizer_config.json",
                        R"({"do_lower_case": false})");
  refuses("tokenizer.lower_case = true, but the tokenizer_config.json of");
  options.tokenizer.lower_case = false;
  adopt();
}

TEST_F(PretrainedTest, NamesAFolderThatLacksFiles) {
  options.model.document_pretrained = options.model.query_pretrained = "nothing";
  expect_error<DataError>([&] { adopt(); }, "nothing lacks config.json");
}

}  // namespace
}  // namespace lemur
