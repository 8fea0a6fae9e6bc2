#include "lemur/model/launch_buckets.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>

#include "lemur/nn/encoder.h"

namespace lemur {
namespace {

TEST(LaunchBuckets, HaveRoomForTheirTexts) {
  for (int64_t texts : {1, 31, 32, 33, 128, 257, 500})
    for (int64_t length : {1, 50, 180}) {
      const int64_t tokens = texts * length;
      const LaunchBucket bucket = bucket_of(tokens, texts, 180);
      EXPECT_GE(bucket.tokens, tokens);
      EXPECT_LE(bucket.tokens, std::max<int64_t>(1024, tokens * 5 / 4 + 1));
      EXPECT_GE((bucket.texts - texts) * 180, bucket.tokens - tokens);
    }
}

TEST(LaunchBuckets, AreFew) {
  std::set<std::pair<int64_t, int64_t>> buckets;
  for (int64_t texts = 10; texts <= 500; ++texts) {
    const LaunchBucket bucket = bucket_of(texts * 112, texts, 180);
    buckets.insert({bucket.tokens, bucket.texts});
  }
  EXPECT_LT(buckets.size(), 40u);
}

TEST(LaunchBuckets, FillTheRestWithTextsBehind) {
  const torch::Tensor offsets = torch::tensor({0, 3, 100}, torch::kInt64);
  const LaunchBucket bucket = bucket_of(100, 2, 90);
  EXPECT_EQ(bucket, (LaunchBucket{1024, 32}));
  const torch::Tensor filled = filled_offsets(offsets, bucket, 90);
  EXPECT_EQ(filled.numel(), 33);
  EXPECT_TRUE(filled.narrow(0, 0, 3).equal(offsets));
  EXPECT_EQ(filled[32].item<int64_t>(), 1024);
  EXPECT_LE(filled.diff().narrow(0, 2, 30).max().item<int64_t>(), 90);
  EXPECT_GE(filled.diff().min().item<int64_t>(), 0);
}

TEST(LaunchBuckets, TextsThatFillThemChangeNothing) {
  torch::manual_seed(3);
  Encoder encoder(EncoderOptions{
      .vocabulary = 50, .width = 12, .layers = 2, .heads = 3, .max_length = 90, .output = 5});
  encoder->to(torch::kFloat64);
  const torch::Tensor offsets = torch::tensor({0, 3, 4, 37}, torch::kInt64),
                      tokens = torch::randint(0, 50, {37}, torch::kInt64),
                      positions = torch::randint(0, 90, {37}, torch::kInt64);
  const LaunchBucket bucket = bucket_of(37, 3, 90);
  const torch::Tensor x = encoder->embed_packed(tokens, positions, torch::zeros_like(tokens)),
                      filled = torch::constant_pad_nd(x, {0, 0, 0, bucket.tokens - 37}),
                      starts = filled_offsets(offsets, bucket, 90);
  const torch::Tensor found =
      encoder->encode_embedded(filled, texts_on_device(starts, torch::kCPU),
                               starts.narrow(0, 0, bucket.texts).clamp_max(bucket.tokens - 1));
  const torch::Tensor expected = encoder(tokens, positions, torch::zeros_like(tokens), offsets);
  EXPECT_EQ(found.size(0), bucket.texts);
  EXPECT_LT((found.narrow(0, 0, 3) - expected).abs().max().item<double>(), 1e-12);
}

}  // namespace
}  // namespace lemur
