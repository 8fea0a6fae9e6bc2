#include "lemur/model/ranking_model.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

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

}  // namespace
}  // namespace lemur
