#include "lemur/model/token_batch.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

std::vector<int64_t> values(const torch::Tensor& tensor) {
  return {tensor.data_ptr<int64_t>(), tensor.data_ptr<int64_t>() + tensor.numel()};
}

TEST(TokenBatch, FramesFieldsAndCountsPositionsPerDocument) {
  StoreContent content = random_store({.num_documents = 2});
  content.document_tokens = {{7, 8}, {}, {9}, {10, 11, 12}};
  TemporaryFolder folder;
  write_store(folder.path() / "store", content);
  SampleStore store(folder.path() / "store");
  uint32_t documents[] = {1, 0};
  TokenBatch batch = pack_documents(store, documents, {.special = {.cls = 2, .sep = 3}});
  EXPECT_EQ(values(batch.tokens), (std::vector<int64_t>{2, 9, 3, 10, 11, 12, 3, 2, 7, 8, 3, 3}));
  EXPECT_EQ(values(batch.types), (std::vector<int64_t>{0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1}));
  EXPECT_EQ(values(batch.positions), (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4}));
  EXPECT_EQ(values(batch.offsets), (std::vector<int64_t>{0, 7, 12}));
  EXPECT_EQ(batch.num_texts(), 2);
  EXPECT_FALSE(batch.patches.values.defined());
  EXPECT_EQ(max_document_length(store.schema(), 16), 1 + 6 + 1 + 9 + 1);
}

TEST(TokenBatch, PutsPatchesOfImagesBehindTheTexts) {
  StoreContent content = random_store({.num_documents = 2});
  content.document_tokens = {{7, 8}, {}, {9}, {}};
  content.schema.images = {{"cover", 4}, {"frame", 2}};
  std::vector<uint8_t> cover(4 * 4 * 3, 255), frame(2 * 2 * 3, 0);
  content.images = {{{}, cover}, {frame, frame}};
  TemporaryFolder folder;
  write_store(folder.path() / "store", content);
  SampleStore store(folder.path() / "store");
  uint32_t documents[] = {1, 0};
  DocumentPacking packing{.patch_pixels = 2, .special = {.cls = 2, .sep = 3}};
  TokenBatch batch = pack_documents(store, documents, packing);
  EXPECT_EQ(max_document_length(store.schema(), 2), 18 + 4 + 1);
  EXPECT_EQ(values(batch.offsets), (std::vector<int64_t>{0, 9, 15}));
  EXPECT_EQ(values(batch.types),
            (std::vector<int64_t>{0, 0, 0, 1, 2, 2, 2, 2, 3, 0, 0, 0, 0, 1, 3}));
  EXPECT_EQ(values(batch.positions),
            (std::vector<int64_t>{0, 1, 2, 3, 18, 19, 20, 21, 22, 0, 1, 2, 3, 4, 22}));
  EXPECT_EQ(values(batch.patches.rows), (std::vector<int64_t>{4, 5, 6, 7, 8, 14}));
  torch::Tensor expected = torch::cat({torch::ones({4, 12}), -torch::ones({2, 12})});
  EXPECT_TRUE(batch.patches.values.equal(expected));
  packing.patch_pixels = 3;
  expect_error<InvalidArgument>([&] { pack_documents(store, documents, packing); },
                                "patch_pixels = 3 does not divide it");
}

TEST(TokenBatch, CutsQueriesFromTheBack) {
  StoreContent content = random_store({.num_queries = 2});
  content.query_tokens = {{7, 8, 9}, {}};
  TemporaryFolder folder;
  write_store(folder.path() / "store", content);
  SampleStore store(folder.path() / "store");
  uint32_t queries[] = {0, 1};
  TokenBatch batch = pack_queries(store, queries, 2, {.cls = 2, .sep = 3});
  EXPECT_EQ(values(batch.tokens), (std::vector<int64_t>{2, 7, 8, 3, 2, 3}));
  EXPECT_EQ(pack_queries(store, {}, 2, {}).num_texts(), 0);
}

}  // namespace
}  // namespace lemur
