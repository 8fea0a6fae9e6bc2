#include "lemur/model/feature_tables.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

class FeatureTablesTest : public testing::Test {
 protected:
  FeatureTablesTest() {
    write_store(folder_.path() / "store", random_store({}));
    store_.emplace(folder_.path() / "store");
    std::vector<uint64_t> events(40);
    std::iota(events.begin(), events.end(), 0);
    batch_ = make_batch(*store_, events);
  }
  TemporaryFolder folder_;
  std::optional<SampleStore> store_;
  Batch batch_;
};

TEST_F(FeatureTablesTest, EmbedsEachSampleAsTheMeanOfItsRows) {
  FeatureTables tables(store_->schema(), 1);
  tables.admit(batch_);
  EmbeddedFeatures embedded = tables.embed(batch_, {}, false);
  ASSERT_EQ(embedded.values.size(), 5u);
  // "tags" is multi-valued with zero to three keys a row.
  EmbeddingTable table({.width = 16});
  const auto& leaf = embedded.leaves[1];
  ASSERT_EQ(leaf.feature, 1u);
  const Batch::Feature& tags = batch_.features[1];
  for (size_t b = 0; b < batch_.size(); ++b) {
    torch::Tensor row = embedded.values[1][static_cast<int64_t>(b)];
    if (tags.offsets[b] == tags.offsets[b + 1]) {
      EXPECT_EQ(row.abs().sum().item<float>(), 0);
    } else {
      EXPECT_GT(row.abs().sum().item<float>(), 0);
    }
  }
  EXPECT_EQ(embedded.values[2].sizes(), (std::vector<int64_t>{40, 1}));
  EXPECT_FLOAT_EQ(embedded.values[2][3][0].item<float>(), batch_.features[2].numbers[3]);
}

TEST_F(FeatureTablesTest, BeginWithTheInitialScaleOfTheirFeature) {
  StoreSchema schema = store_->schema();
  FeatureTables tables(schema, 1);
  schema.features[1].init_scale = 0.16;
  FeatureTables wider(schema, 1);
  tables.admit(batch_), wider.admit(batch_);
  const auto narrow_values = tables.embed(batch_, {}, false).values;
  const auto wide_values = wider.embed(batch_, {}, false).values;
  EXPECT_TRUE(torch::allclose(wide_values[1], 16 * narrow_values[1], 1e-4));
  EXPECT_TRUE(torch::equal(wide_values[0], narrow_values[0]));
}

TEST_F(FeatureTablesTest, HistoriesShareTheTableOfTheDocumentsId) {
  FeatureTables tables(store_->schema(), 1);
  ASSERT_EQ(tables.document_feature(), 0u);
  tables.admit(batch_);
  std::vector<uint64_t> keys = {batch_.features[0].keys[5], hash_bytes("never seen")};
  EmbeddedFeatures embedded = tables.embed(batch_, keys, true);
  EXPECT_TRUE(embedded.history[0].equal(embedded.values[0][5]));
  (embedded.history.sum() + 2 * embedded.values[0].sum()).backward();
  torch::Tensor before = embedded.values[0][5].detach().clone();
  tables.apply({&embedded, 1}, {.learning_rate = 0.1});
  EmbeddedFeatures after = tables.embed(batch_, keys, false);
  EXPECT_FALSE(after.values[0][5].equal(before));
  EXPECT_FALSE(after.history[1].equal(embedded.history[1])) << "the shared default row learns too";
}

TEST_F(FeatureTablesTest, UnknownKeysShareTheDefaultRow) {
  FeatureTables tables(store_->schema(), 1);
  EmbeddedFeatures embedded = tables.embed(batch_, {}, false);
  EXPECT_TRUE(embedded.values[0][0].equal(embedded.values[0][7])) << "nothing was admitted";
}

TEST_F(FeatureTablesTest, SavesAndLoads) {
  FeatureTables tables(store_->schema(), 1), other(store_->schema(), 2);
  tables.admit(batch_);
  tables.save(folder_.path());
  other.load(folder_.path());
  EmbeddedFeatures a = tables.embed(batch_, {}, false), b = other.embed(batch_, {}, false);
  for (size_t f = 0; f < a.values.size(); ++f) EXPECT_TRUE(a.values[f].equal(b.values[f])) << f;
  EXPECT_EQ(tables.num_rows(), other.num_rows());
}

TEST_F(FeatureTablesTest, CountEachSampleOnceAndInTheFirstPassOnly) {
  StoreSchema schema = store_->schema();
  schema.features[1].admit_after = 2;
  Batch batch = make_batch(*store_, std::vector<uint64_t>{0, 1});
  batch.features[1] = {.offsets = {0, 3, 4}, .keys = {7, 7, 7, 8}, .numbers = {}};
  const auto embeds = [&](const FeatureTables& tables, int64_t sample) {
    return tables.embed(batch, {}, false).values[1][sample].abs().sum().item<float>() > 0;
  };
  FeatureTables tables(schema, 1);
  tables.admit(batch);
  EXPECT_FALSE(embeds(tables, 0)) << "three values of one sample are one sighting";
  batch.epoch = 1;
  tables.admit(batch);
  EXPECT_FALSE(embeds(tables, 0)) << "the same samples again";
  batch.epoch = 0;
  tables.admit(batch);
  EXPECT_TRUE(embeds(tables, 0)) << "two samples";
  EXPECT_TRUE(embeds(tables, 1));
}

TEST_F(FeatureTablesTest, NameTheFeatureWhoseGradientIsUnfit) {
  FeatureTables tables(store_->schema(), 1);
  tables.admit(batch_);
  for (const float wrong : {std::numeric_limits<float>::infinity(), std::nanf(""), 1e30F}) {
    std::vector<EmbeddedFeatures> parts;
    parts.push_back(tables.embed(batch_, {}, true));
    parts.push_back(tables.embed(batch_, {}, true));
    for (auto& part : parts)
      for (auto& leaf : part.leaves) leaf.values.mutable_grad() = torch::ones_like(leaf.values);
    EXPECT_EQ(FeatureTables::find_unfit(parts), std::nullopt);
    parts[1].leaves[1].values.mutable_grad()[0][0] = wrong;
    EXPECT_EQ(FeatureTables::find_unfit(parts), 1u) << wrong;
  }
}

}  // namespace
}  // namespace lemur
