#include "lemur/tables/pending_gradients.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/testing.h"

namespace lemur {
namespace {

using Rows = std::vector<int32_t>;

TEST(PendingGradients, AddUpUntilTheyAreTaken) {
  PendingGradients pending(3);
  EXPECT_TRUE(pending.empty());
  EXPECT_TRUE(pending.take(Rows{1, 7}).equal(torch::zeros({2, 3})));
  const torch::Tensor first = torch::randn({2, 3}), second = torch::randn({3, 3});
  pending.add(Rows{5, 0}, first);
  pending.add(Rows{2000, 5, 5}, second);
  EXPECT_FALSE(pending.empty());
  const torch::Tensor taken = pending.take(Rows{5, 6, 1, 2000});
  EXPECT_TRUE(taken[0].allclose(first[0] + second[1] + second[2]));
  EXPECT_TRUE(taken.slice(0, 1, 3).equal(torch::zeros({2, 3})));
  EXPECT_TRUE(taken[3].equal(second[0]));
  EXPECT_TRUE(pending.take(Rows{5, 2000}).equal(torch::zeros({2, 3}))) << "taken once";
  EXPECT_TRUE(pending.take(Rows{0})[0].equal(first[1])) << "others stay";
}

TEST(PendingGradients, AreSavedAndLoaded) {
  TemporaryFolder folder;
  const auto path = folder.path() / "gradients.rows";
  PendingGradients saved(4), loaded(4);
  const torch::Tensor gradients = torch::randn({3, 4});
  saved.add(Rows{1500, 3, 8}, gradients);
  saved.save(path);
  loaded.add(Rows{9}, torch::ones({1, 4}));
  loaded.load(path);
  EXPECT_TRUE(loaded.take(Rows{1500, 3, 8}).equal(gradients));
  EXPECT_TRUE(loaded.take(Rows{9}).equal(torch::zeros({1, 4}))) << "replaced, not added to";
}

TEST(PendingGradients, RefuseADamagedFile) {
  TemporaryFolder folder;
  const auto path = folder.path() / "gradients.rows";
  PendingGradients pending(4);
  pending.add(Rows{2}, torch::ones({1, 4}));
  pending.save(path);
  PendingGradients other(5);
  EXPECT_THROW(other.load(path), DataError) << "another width";
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_THROW(pending.load(path), DataError);
  EXPECT_TRUE(pending.take(Rows{2}).equal(torch::ones({1, 4}))) << "left as it was";
}

}  // namespace
}  // namespace lemur
