#include "lemur/tables/device_rows.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>

#include "lemur/base/testing.h"
#include "lemur/kernels/kernels_on_host_testing.h"
#include "lemur/tables/memory_bank.h"

namespace lemur {
namespace {

TEST(DeviceRows, HoldWhatTheBankHolds) {
  torch::manual_seed(4);
  for (int64_t width : {1, 31, 32, 33, 128}) {
    MemoryBank bank(width);
    DeviceRows rows(width, torch::kCPU);
    std::vector<int32_t> places(3);
    for (uint64_t key = 0; key < 9; key += 3) {
      const std::vector<uint64_t> keys = {key, key + 1, key + 2};
      const torch::Tensor vectors = torch::randn({3, width});
      bank.write(keys, vectors, 1, places);
      rows.write(places, vectors);
    }
    const std::vector<int32_t> asked = {8, MemoryBank::kAbsent, 0, 3, 3};
    EXPECT_TRUE(rows.gather(asked).equal(bank.gather(asked)));
  }
}

TEST(DeviceRows, KeepTheirValuesAsTheyGrow) {
  DeviceRows rows(2, torch::kCPU);
  const torch::Tensor vectors = torch::arange(6000, torch::kFloat32).view({3000, 2}) / 16;
  std::vector<int32_t> places(3000);
  std::iota(places.begin(), places.end(), 0);
  const std::span<const int32_t> all(places);
  rows.write(all.first(1000), vectors.narrow(0, 0, 1000));
  rows.write(all.subspan(1000), vectors.narrow(0, 1000, 2000));
  EXPECT_TRUE(rows.gather(all).equal(vectors.to(torch::kFloat16).to(torch::kFloat32)));
  EXPECT_GE(rows.size_bytes(), 3000 * 4);
}

TEST(DeviceRows, TakeAndGiveNothing) {
  DeviceRows rows(3, torch::kCPU);
  rows.write({}, torch::zeros({0, 3}));
  EXPECT_EQ(rows.gather({}).size(0), 0);
}

TEST(DeviceRows, NameWhatIsWrong) {
  expect_error<InvalidArgument>([] { DeviceRows(0, torch::kCPU); }, "width is 0");
  DeviceRows rows(3, torch::kCPU);
  const std::vector<int32_t> first = {0}, behind = {1}, negative = {-1};
  rows.write(first, torch::zeros({1, 3}));
  expect_error<InvalidArgument>([&] { rows.gather(behind); }, "row 1 asked for; there are 1");
  expect_error<InvalidArgument>([&] { rows.write(negative, torch::zeros({1, 3})); }, "row -1");
  expect_error<InvalidArgument>(
      [&] {
        rows.write(first, torch::zeros({1, 2}));
      },
      "vectors are [1, 2]; expected [1, 3]");
}

}  // namespace
}  // namespace lemur
