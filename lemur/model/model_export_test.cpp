#include "lemur/model/model_export.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "lemur/base/safetensors.h"
#include "lemur/data/database.h"
#include "lemur/data/sample_store_testing.h"
#include "lemur/model/bert_checkpoint.h"
#include "lemur/model/pretrained.h"
#include "lemur/text/tokenizer.h"

namespace lemur {
namespace {

namespace fs = std::filesystem;

/// A store of the small BERT's vocabulary, and models of lemur's own encoders or of that BERT.
class ModelExport : public ::testing::Test {
 protected:
  ModelExport() {
    options.model.representation_width = 8;
    options.model.encoder_width = 12;
    options.model.encoder_heads = 3;
    options.model.query_layers = 1;
  }

  static SampleStore open_store(const fs::path& path, StoreContent content) {
    write_store(path, std::move(content),
                Tokenizer::load(fs::path(LEMUR_GOLDEN) / "bert/vocab.txt", true).pieces());
    return SampleStore(path);
  }
  void start_from_bert() {
    options.model = {};
    options.model.document_pretrained = options.model.query_pretrained = "bert";
    adopt_pretrained(options, store, LEMUR_GOLDEN);
  }
  ModelState state() const {
    return ModelState(options, store.schema(), SpecialTokens::load(store.vocabulary_path()));
  }
  template <typename Write>
  void publish(const Write& write) {
    FolderWriter writer(out);
    write(writer);
    writer.publish({{"format", "lemur export"}});
  }

  TemporaryFolder folder;
  fs::path out = folder.path() / "out";
  SampleStore store = open_store(folder.path() / "store", random_store({.vocabulary = 40}));
  Options options;
};

TEST_F(ModelExport, BertEncodersLoadAgainAndGiveTheSameVectors) {
  start_from_bert();
  ModelState trained = state();
  {
    torch::NoGradGuard no_grad;
    for (auto& parameter : trained.model->parameters())
      parameter.add_(torch::randn_like(parameter) * 0.1);
  }
  publish([&](const FolderWriter& writer) {
    EXPECT_EQ(export_encoders(trained, store.vocabulary_path(), writer),
              (std::vector<std::string>{"document_encoder", "query_encoder"}));
  });
  Options again = options;
  again.model.document_pretrained = "document_encoder";
  again.model.query_pretrained = "query_encoder";
  again.model.share_word_embeddings = false;
  adopt_pretrained(again, store, out);
  ModelState loaded(again, store.schema(), trained.special);
  load_pretrained(again.model, out, *loaded.model);
  const std::vector<uint32_t> rows = {0, 1, 2, 3, 4, 5};
  const auto error = [](const torch::Tensor& a, const torch::Tensor& b) {
    return (a - b).abs().max().item<double>();
  };
  const TokenBatch documents = pack_documents(store, rows, trained.packing());
  const TokenBatch queries = pack_queries(store, rows, 16, trained.special);
  EXPECT_LT(
      error(trained.model->encode_documents(documents), loaded.model->encode_documents(documents)),
      1e-6);
  EXPECT_LT(error(trained.model->encode_queries(queries), loaded.model->encode_queries(queries)),
            1e-6);
}

TEST_F(ModelExport, LemursOwnEncodersSayThatTheyAreNoBert) {
  ModelState own = state();
  publish(
      [&](const FolderWriter& writer) { export_encoders(own, store.vocabulary_path(), writer); });
  expect_error<DataError>([&] { read_bert_sizes(out / "query_encoder"); },
                          "model_type is \"lemur-pre-ln\"");
  const auto config = nlohmann::json::parse(read_file(out / "query_encoder/config.json"));
  EXPECT_EQ(config["num_hidden_layers"], 1);
  EXPECT_EQ(config["num_attention_heads"], 3);
  EXPECT_EQ(config["intermediate_size"], 48);
  EXPECT_EQ(config["representation_size"], 8);
  SafetensorsFile file(out / "query_encoder/model.safetensors");
  EXPECT_EQ(file.entries().at("word_embedding.weight").shape, (std::vector<int64_t>{40, 12}))
      << "in the file although it is shared";
  EXPECT_EQ(read_file(out / "query_encoder/vocab.txt"), read_file(store.vocabulary_path()));
}

TEST_F(ModelExport, BankKeepsVectorsBesideTheirIds) {
  MemoryBank bank(3);
  const std::vector<uint64_t> keys = {store.document_keys()[5], 77, store.document_keys()[2]};
  std::vector<int32_t> rows(keys.size());
  bank.write(keys, torch::arange(9, torch::kFloat32).view({3, 3}), 1, rows);
  ExportedBank counts;
  publish([&](const FolderWriter& writer) { counts = export_bank(bank, store, writer); });
  EXPECT_EQ(counts.written, 2);
  EXPECT_EQ(counts.not_in_store, 1);
  EXPECT_EQ(counts.not_in_bank, 18);
  EXPECT_EQ(read_file(out / "ids.txt"), "d2\nd5\n");
  const std::string numpy = read_file(out / "vectors.npy");
  ASSERT_EQ(numpy.size(), 128 + 6 * sizeof(float));
  EXPECT_EQ(numpy.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_TRUE(
      numpy.substr(10).starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } "));
  EXPECT_EQ(numpy[127], '\n');
  std::vector<float> values(6);
  std::memcpy(values.data(), numpy.data() + 128, 6 * sizeof(float));
  EXPECT_EQ(values, (std::vector<float>{6, 7, 8, 0, 1, 2}));
  EXPECT_EQ(
      Database().query_int64(
          "SELECT count(*) FROM read_parquet(" + sql_literal((out / "documents.parquet").string()) +
          ") WHERE (id, vector) IN (('d2', [6, 7, 8]::FLOAT[]), ('d5', [0, 1, 2]::FLOAT[]))"),
      2);
}

TEST_F(ModelExport, AnEmptyBankGivesEmptyFiles) {
  MemoryBank bank(3);
  publish(
      [&](const FolderWriter& writer) { EXPECT_EQ(export_bank(bank, store, writer).written, 0); });
  EXPECT_EQ(read_file(out / "ids.txt"), "");
  EXPECT_EQ(fs::file_size(out / "vectors.npy"), 128u);
}

TEST_F(ModelExport, RefusesAnIdThatALineCannotHold) {
  StoreContent content = random_store({.vocabulary = 40});
  content.document_ids[0] = "two\nlines";
  SampleStore other = open_store(folder.path() / "other", content);
  MemoryBank bank(1);
  const std::vector<uint64_t> keys = {other.document_keys()[0]};
  std::vector<int32_t> rows(1);
  bank.write(keys, torch::ones({1, 1}), 1, rows);
  FolderWriter writer(out);
  expect_error<DataError>([&] { export_bank(bank, other, writer); }, "holds a line break");
}

}  // namespace
}  // namespace lemur
