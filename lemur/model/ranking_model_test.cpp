#include "lemur/model/ranking_model.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

using torch::Tensor;

// The meta device holds shapes only; what moves to it would move to a GPU.

TEST(RankingInput, MovesToADeviceAsAWhole) {
  const Tensor numbers = torch::randn({2, 3}), index = torch::tensor({0, 1}, torch::kInt64);
  RankingInput input{.features = {numbers, numbers},
                     .documents = numbers,
                     .document_of = index,
                     .history_content = numbers};
  const RaggedHistory history{torch::tensor({0, 1, 2}, torch::kInt64), index, index, index};
  input.content_histories = {history};
  input.id_histories = {history};
  const RankingInput moved = input.on(torch::kMeta);
  for (const Tensor& x : {moved.features[0], moved.features[1], moved.documents, moved.document_of,
                          moved.history_content, moved.content_histories[0].offsets,
                          moved.content_histories[0].gap, moved.id_histories[0].action})
    EXPECT_TRUE(x.is_meta());
  EXPECT_FALSE(moved.queries.defined());
  EXPECT_TRUE(moved.features[0].is_same(moved.documents)) << "copied once";
  EXPECT_EQ(moved.document_of.scalar_type(), torch::kInt64);
  EXPECT_EQ(moved.content_histories[0].offsets.scalar_type(), torch::kInt64);
  EXPECT_EQ(moved.id_histories[0].document.scalar_type(), torch::kInt32);
}

TEST(RankingInput, StaysWhereItIs) {
  const Tensor index = torch::tensor({0, 1}, torch::kInt64);
  RankingInput input{.document_of = index};
  input.id_histories = {{index, index, index, index}};
  const RankingInput same = input.on(torch::kCPU);
  EXPECT_TRUE(same.document_of.is_same(index));
  EXPECT_TRUE(same.id_histories[0].document.is_same(index));
}

TEST(TokenBatch, MovesAllButItsOffsets) {
  const Tensor index = torch::tensor({0, 1}, torch::kInt64);
  const TokenBatch moved = TokenBatch{index, index, index, index, {}}.on(torch::kMeta);
  EXPECT_TRUE(moved.tokens.is_meta() && moved.positions.is_meta() && moved.types.is_meta());
  EXPECT_TRUE(moved.offsets.is_same(index));
  EXPECT_FALSE(moved.patches.values.defined());
}

/// A small model of documents and queries, with two labels.
RankingModel small_model(const ModelOptions& given = {}, bool has_queries = true) {
  ModelOptions options = given;
  options.encoder_width = options.representation_width = 8;
  options.document_layers = options.query_layers = 1;
  options.ranker = "mlp";
  options.mlp_widths = {6};
  StoreSchema schema;
  schema.text = {{"title", 4}};
  schema.features = {{.name = "price", .of = "document", .is_number = true}};
  schema.labels = {"click", "like"};
  schema.has_queries = has_queries;
  schema.vocabulary_size = 10;
  torch::manual_seed(3);
  return RankingModel(options, true, schema);
}

RankingInput small_input() {
  torch::manual_seed(4);
  return {.features = {torch::randn({6, 1})},
          .documents = torch::randn({6, 8}).set_requires_grad(true),
          .document_of = torch::arange(6),
          .queries = torch::randn({3, 8}).set_requires_grad(true),
          .query_of = torch::tensor({0, 0, 1, 1, 2, 2}, torch::kInt64)};
}

RankingTargets small_targets() {
  return {.labels = torch::tensor({{1., 1.}, {0., 0.}, {1., 0.}, {0., 1.}, {1., 1.}, {0., 0.}}),
          .weights = torch::tensor({1., 2., 1., 1., 0.5, 1.}),
          .requests = torch::tensor({0, 0, 1, 1, 2, 2}, torch::kInt64),
          .documents = torch::arange(6)};
}

/// Returns the gradient of the ranking loss, or of all losses, in the documents' representations.
Tensor gradient_in_documents(RankingModel& model, bool ranking_alone) {
  RankingInput input = small_input();
  const RankingLosses losses = model->losses(model(input), small_targets());
  const Tensor loss = ranking_alone ? losses.cross_entropy : losses.total;
  if (!loss.requires_grad()) return torch::zeros({6, 8});
  const auto gradients =
      torch::autograd::grad({loss}, {input.documents}, {}, {}, false, /*allow_unused=*/true);
  return gradients[0].defined() ? gradients[0] : torch::zeros({6, 8});
}

TEST(RankingModel, LetsAShareOfTheRankingGradientIntoTheEncoders) {
  RankingModel model = small_model();
  const Tensor all = gradient_in_documents(model, true);
  ASSERT_GT(all.abs().max().item<double>(), 0);
  model->pass_encoder_gradient(0.25);
  EXPECT_TRUE(torch::allclose(gradient_in_documents(model, true), all * 0.25, 1e-4, 1e-8));
  model->pass_encoder_gradient(0);
  EXPECT_EQ(gradient_in_documents(model, true).abs().max().item<double>(), 0);
  EXPECT_GT(gradient_in_documents(model, false).abs().max().item<double>(), 0) << "SQDC's is there";

  ModelOptions alone;
  alone.alignment_weight = 0;
  RankingModel without = small_model(alone);
  without->pass_encoder_gradient(0);
  EXPECT_GT(gradient_in_documents(without, true).abs().max().item<double>(), 0)
      << "nothing else would train them";
  alone.alignment_weight = 1;
  alone.stop_gradient = true;
  RankingModel stopped = small_model(alone);
  EXPECT_EQ(gradient_in_documents(stopped, true).abs().max().item<double>(), 0);
}

TEST(RankingModel, BeginsAtTheRatesOfTheLabels) {
  RankingModel model = small_model();
  model->start_from_rates({0.02, 0.5});
  const Tensor probabilities = model(small_input()).logits.sigmoid();
  EXPECT_TRUE(torch::allclose(
      probabilities, torch::tensor({{0.02, 0.5}}, probabilities.options()).expand({6, 2})));
  model->start_from_rates({0, 1});  // a label that never or always comes has finite log odds
  EXPECT_TRUE(torch::isfinite(model(small_input()).logits).all().item<bool>());
}

TEST(RankingModel, CorrectsTheLossesForWhatWasDrawn) {
  RankingModel model = small_model();
  const RankingOutput output = model(small_input());
  RankingTargets targets = small_targets();
  targets.log_odds_shift = torch::tensor({2., 2., 2., 2., 0.5, 0.5});
  const double found = model->losses(output, targets).cross_entropy.item<double>();
  double first = 0, weights = 0, second = 0, second_weights = 0;
  const auto at = [](const Tensor& x, int64_t i, int64_t j) { return x[i][j].item<double>(); };
  const auto entropy = [](double logit, double label) {
    return std::log1p(std::exp(logit)) - label * logit;
  };
  for (int64_t b = 0; b < 6; ++b) {
    const double weight = targets.weights[b].item<double>(),
                 shift = targets.log_odds_shift[b].item<double>();
    first += weight * entropy(at(output.logits, b, 0) + shift, at(targets.labels, b, 0));
    weights += weight;
    const double stands_for = weight * (at(targets.labels, b, 0) > 0.5 ? 1 : std::exp(shift));
    second += stands_for * entropy(at(output.logits, b, 1), at(targets.labels, b, 1));
    second_weights += stands_for;
  }
  EXPECT_NEAR(found, first / weights + second / second_weights, 1e-5);
  const RankingLosses part =
      model->losses(output, targets, {.cross_entropy = 0.5, .other_labels = 0.25});
  EXPECT_NEAR(part.cross_entropy.item<double>(),
              0.5 * first / weights + 0.25 * second / second_weights, 1e-5);
}

}  // namespace
}  // namespace lemur
