#include "lemur/model/corpus_start.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <memory>
#include <numbers>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

using torch::Tensor;

constexpr int32_t kVocabulary = 60;

std::vector<std::string> pieces() {
  std::vector<std::string> all = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (int32_t i = 5; i < kVocabulary; ++i) all.push_back(fmt::format("w{}", i));
  return all;
}

class CorpusStart : public ::testing::Test {
 protected:
  CorpusStart() {
    StoreContent content = random_store({.num_documents = 300, .vocabulary = kVocabulary});
    for (size_t d = 0; d < 300; ++d) content.document_tokens[2 * d].push_back(1);  // [UNK]
    // The training split, 60 events, shows 60 documents; the others do not count.
    for (size_t e = 0; e < content.events.size(); ++e)
      content.events[e].document = static_cast<uint32_t>(2 * e);
    write_store(folder_.path() / "store", content, pieces());
    store_ = std::make_unique<SampleStore>(folder_.path() / "store");
  }
  const SampleStore& store() const { return *store_; }

  /// The matrix that the header tells of, dense, and the inverse frequencies.
  std::pair<Tensor, Tensor> tf_idf() const {
    Tensor counts = torch::zeros({60, kVocabulary}, torch::kFloat64);
    for (int64_t row = 0; row < 60; ++row)
      for (size_t field : {0, 1})
        for (int32_t token : store().document_tokens(static_cast<uint32_t>(2 * row), field))
          counts[row][token] += 1;
    const Tensor seen = (counts > 0).sum(0).to(torch::kFloat64);
    Tensor idf = torch::where(seen > 0, (61.0 / (seen + 1)).log(), torch::zeros_like(seen));
    idf.slice(0, 0, 5).fill_(0);
    const Tensor matrix = torch::where(counts > 0, (1 + counts.log()) * idf, counts * 0);
    return {matrix / matrix.norm(2, {1}, true).clamp_min(1e-12), idf};
  }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<SampleStore> store_;
};

TEST_F(CorpusStart, IsTheTruncatedDecompositionOfTfIdf) {
  const auto [matrix, idf] = tf_idf();
  const CorpusWords words = corpus_words(store(), 12, 1);
  EXPECT_EQ(words.documents, 60);
  EXPECT_LT((words.importance.to(torch::kFloat64) - idf).abs().max().item<double>(), 1e-6);
  const auto [u, s, vt] = torch::linalg_svd(matrix, false);
  // Signs are free: compare V S V^T of the first columns, as far as they are told apart.
  const Tensor wanted = torch::mm(vt.slice(0, 0, 12).t() * s.slice(0, 0, 12), vt.slice(0, 0, 12));
  const Tensor v = words.vectors.to(torch::kFloat64);
  EXPECT_LT((torch::mm(v, v.t()) - wanted).norm().item<double>() / wanted.norm().item<double>(),
            0.02);
  const Tensor lengths = v.square().sum(0);  // = the singular values
  EXPECT_LT((lengths.slice(0, 0, 6) - s.slice(0, 0, 6)).abs().max().item<double>(), 0.02);
}

TEST_F(CorpusStart, DoesNotDependOnThreadsAndKnowsItsSeed) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const CorpusWords one = corpus_words(store(), 40, 7);
  at::set_num_threads(3);
  const CorpusWords three = corpus_words(store(), 40, 7);
  EXPECT_EQ(at::get_num_threads(), 3);
  at::set_num_threads(threads);
  EXPECT_TRUE(torch::equal(one.vectors, three.vectors));
}

TEST_F(CorpusStart, LeavesColumnsBehindTheRankEmpty) {
  const CorpusWords words = corpus_words(store(), 100, 1);  // more than words and documents
  EXPECT_GT(words.vectors.slice(1, 0, 40).norm().item<double>(), 0);
  EXPECT_EQ(words.vectors.slice(1, 60).abs().max().item<double>(), 0);
  EXPECT_TRUE(torch::isfinite(words.vectors).all().item<bool>());
}

TEST_F(CorpusStart, ReadsAnEvenSampleOfManyDocuments) {
  EXPECT_EQ(corpus_words(store(), 8, 1, 20).documents, 20);
}

TEST_F(CorpusStart, MakesUntrainedEncodersCompareTextsByTheirWords) {
  ModelOptions options;
  options.encoder_width = 32;
  options.representation_width = 32;
  RankingModel model(options, true, store().schema());
  EXPECT_EQ(start_from_corpus(store(), 1, *model), 60);
  const CorpusWords words = corpus_words(store(), 32, 1);
  const std::vector<uint32_t> documents = {0, 2, 4, 6, 8, 10};
  const Tensor found = model->encode_documents(
      pack_documents(store(), documents, {.special = {.cls = 2, .sep = 3}}));
  for (size_t i = 0; i < documents.size(); ++i) {
    Tensor mean = torch::zeros({32});
    double weights = 0;
    for (size_t field : {0, 1})
      for (int32_t token : store().document_tokens(documents[i], field)) {
        const double weight = words.importance[token].item<double>();
        mean += weight * words.vectors[token];
        weights += weight;
      }
    if (weights == 0) continue;
    mean = mean - mean.mean();  // LayerNorm's
    EXPECT_GT(torch::cosine_similarity(found[static_cast<int64_t>(i)], mean, 0).item<double>(),
              0.99)
        << i;
  }
}

TEST_F(CorpusStart, LeavesEncodersThatDoNotPoolWordsAlone) {
  ModelOptions options;
  options.text_pooling = "cls";
  RankingModel model(options, true, store().schema());
  const Tensor before = model->document_encoder()->word_embedding()->weight.clone();
  EXPECT_EQ(start_from_corpus(store(), 1, *model), 0);
  EXPECT_TRUE(torch::equal(before, model->document_encoder()->word_embedding()->weight));
}

}  // namespace
}  // namespace lemur
