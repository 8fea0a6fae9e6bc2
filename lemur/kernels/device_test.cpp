#include "lemur/kernels/device.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lemur/base/testing.h"

namespace lemur {
namespace {

TEST(Device, NamesWhatIsNotThere) {
  EXPECT_TRUE(device_named("cpu").is_cpu());
  expect_error<InvalidArgument>([] { device_named("tpu"); }, "[train] device 'tpu' is unknown");
  if (!built_with_cuda() || !torch::cuda::is_available())
    expect_error<InvalidArgument>([] { device_named("cuda"); }, "[train] device 'cuda' asked for");
}

TEST(Device, ComputesOnTheCpuAsBeforeInsideAndAfterABfloat16Scope) {
  const torch::Tensor a = torch::randn({5, 7}), b = torch::randn({7, 3});
  const torch::Tensor expected = torch::matmul(a, b);
  {
    const Bfloat16Scope scope(true);  // of CUDA only
    EXPECT_TRUE(Bfloat16Scope::is_active());
    EXPECT_TRUE(torch::matmul(a, b).equal(expected));
  }
  EXPECT_FALSE(Bfloat16Scope::is_active());
  EXPECT_TRUE(torch::matmul(a, b).equal(expected));
}

TEST(Device, FullPrecisionWidensBfloat16Only) {
  EXPECT_EQ(full_precision(torch::zeros({1}, torch::kBFloat16)).scalar_type(), torch::kFloat32);
  EXPECT_EQ(full_precision(torch::zeros({1}, torch::kFloat64)).scalar_type(), torch::kFloat64);
  EXPECT_FALSE(full_precision({}).defined());
}

}  // namespace
}  // namespace lemur
