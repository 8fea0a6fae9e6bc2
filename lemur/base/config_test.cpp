#include "lemur/base/config.h"

#include <gtest/gtest.h>

#include <map>

#include "lemur/base/error.h"

namespace lemur {
namespace {

std::string error_of(std::string_view toml, std::vector<std::string> overrides = {}) {
  try {
    parse_options(toml, "run.toml", overrides);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

TEST(Config, ReadsTheKeysOfEverySection) {
  Options options = parse_options(R"(
[data]
documents = "d.csv"
[data.columns]
labels = ["click", "like"]
[[data.text]]
column = "title"
max_tokens = 31
[[data.history]]
name = "long"
length = 1000
[train]
learning_rate = 1
)",
                                  "run.toml");
  EXPECT_EQ(options.data.documents, "d.csv");
  EXPECT_EQ(options.data.columns.labels, (std::vector<std::string>{"click", "like"}));
  ASSERT_EQ(options.data.text.size(), 1u);
  EXPECT_EQ(options.data.text[0].max_tokens, 31);
  EXPECT_EQ(options.data.history[0].name, "long");
  EXPECT_EQ(options.train.learning_rate, 1.0);
  EXPECT_EQ(options.train.batch_size, TrainOptions{}.batch_size);
}

TEST(Config, FlattensEveryKeyWithItsValue) {
  Options options = parse_options(
      "[data.columns]\nlabels = [\"click\", \"like\"]\n[[data.text]]\ncolumn = \"title\"\n[train]\n"
      "epochs = 7\n",
      "run.toml");
  const auto items = flatten_options(options);
  const std::map<std::string, std::string> values(items.begin(), items.end());
  EXPECT_EQ(values.size(), items.size()) << "a key occurs twice";
  EXPECT_EQ(values.at("data.columns.labels"), R"(["click", "like"])");
  EXPECT_EQ(values.at("data.text[0].column"), R"("title")");
  EXPECT_EQ(values.at("train.epochs"), "7");
  EXPECT_EQ(values.at("bank.enabled"), "true");
}

TEST(Config, NamesAnUnknownKeyItsLineAndTheNearest) {
  EXPECT_EQ(error_of("[train]\nbatchsize = 3\n"),
            "[configuration] run.toml line 2: unknown key 'train.batchsize'; did you mean "
            "'train.batch_size'?");
  EXPECT_EQ(error_of("[[data.text]]\ncolumn = \"a\"\nmaxtokens = 3\n"),
            "[configuration] run.toml line 3: unknown key 'data.text.maxtokens'; did you mean "
            "'data.text.max_tokens'?");
}

TEST(Config, RefusesWrongTypesRangesAndChoices) {
  EXPECT_EQ(error_of("[train]\nbatch_size = \"x\"\n"),
            "[configuration] run.toml line 2: 'train.batch_size' = 'x' is no integer");
  EXPECT_EQ(error_of("[train]\nbatch_size = 2.5\n"),
            "[configuration] run.toml line 2: 'train.batch_size' = 2.5 is no integer");
  EXPECT_EQ(
      error_of("[bank]\nforward = 1.5\n"),
      "[configuration] run.toml line 2: 'bank.forward' = 1.5 is out of range; expected 0 to 1");
  EXPECT_EQ(
      error_of("[bank]\nforward = nan\n"),
      "[configuration] run.toml line 2: 'bank.forward' = nan is out of range; expected 0 to 1");
  EXPECT_EQ(error_of("[model]\nranker = \"mpl\"\n"),
            "[configuration] run.toml line 2: 'model.ranker' = \"mpl\"; expected one of rankmixer, "
            "rankmixer_moe, mlp");
  EXPECT_EQ(error_of("train = 3\n"), "[configuration] run.toml line 1: 'train' = 3 is no table");
  EXPECT_NE(error_of("[train\n").find("run.toml line 1"), std::string::npos);
}

TEST(Config, RefusesContradictions) {
  EXPECT_EQ(error_of("[bank]\nforward = 0.1\nbackward = 0.2\n"),
            "[configuration] bank.backward = 0.2 exceeds bank.forward = 0.1");
  EXPECT_EQ(error_of("[model]\ntokens = 7\n"),
            "[configuration] model.tokens = 7 does not divide model.token_width = 128");
  EXPECT_EQ(error_of("[[data.history]]\nname = \"a\"\n[[data.history]]\nname = \"a\"\n"),
            "[configuration] two histories are named 'a'");
  EXPECT_EQ(error_of("[train]\nfreeze_encoder_steps = -1\n"),
            "[configuration] train.freeze_encoder_steps = -1 freezes trained encoders, but none of "
            "train.start_from, model.document_pretrained and model.query_pretrained is given");
  EXPECT_EQ(error_of("[model]\ndocument_pretrained = \"a\"\n[train]\nstart_from = \"b\"\n"),
            "[configuration] train.start_from = \"b\" replaces what model.document_pretrained and "
            "model.query_pretrained name; give one of them");
  EXPECT_EQ(error_of("[train]\nmetric = \"none\"\npatience = 2\n"),
            "[configuration] train.patience = 2 needs a train.metric other than none");
  EXPECT_NE(error_of("[model.query_bert]\nwidth = 8\n").find("are written by train"),
            std::string::npos);
}

TEST(Config, OverridesWinAndMayBeBareWords) {
  Options options =
      parse_options("[model]\nranker = \"rankmixer\"\n", "run.toml",
                    std::vector<std::string>{"model.ranker=mlp", "train.batch_size=7",
                                             "bank.forward=0.5", "bank.backward=0.1"});
  EXPECT_EQ(options.model.ranker, "mlp");
  EXPECT_EQ(options.train.batch_size, 7);
  EXPECT_EQ(options.bank.forward, 0.5);
  EXPECT_EQ(error_of("", {"train.bach_size=7"}),
            "[configuration] --set: unknown key 'train.bach_size'; did you mean "
            "'train.batch_size'?");
  EXPECT_EQ(error_of("", {"nonsense"}),
            "[configuration] --set nonsense: expected section.key=value");
}

TEST(Config, WrittenOptionsReadBackEqual) {
  Options options = parse_options(
      "[data]\ndocuments = \"a \\\"b\\\"\"\n[[data.feature]]\ncolumn = \"x\"\nof = "
      "\"user\"\n[train]\nlearning_rate = 0.3\n",
      "run.toml");
  std::string written = options_to_toml(options);
  EXPECT_EQ(options_to_toml(parse_options(written, "written")), written);
  EXPECT_NE(written.find("a \"b\""), std::string::npos);
}

TEST(Config, DocumentsEveryKey) {
  std::string document = options_to_markdown();
  for (const char* key : {"`table_learning_rate`", "`[[data.counter]], any number`", "`forward`",
                          "One of rankmixer, rankmixer_moe, mlp."})
    EXPECT_NE(document.find(key), std::string::npos) << key;
}

}  // namespace
}  // namespace lemur
