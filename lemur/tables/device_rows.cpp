#include "lemur/tables/device_rows.h"

#include <torch/torch.h>

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/kernels/bank_rows_cuda.h"
#include "lemur/kernels/device.h"

namespace lemur {
namespace {

constexpr int64_t kFirstCapacity = 1024;

}  // namespace

DeviceRows::DeviceRows(int64_t width, torch::Device device) {
  if (width <= 0) fail<InvalidArgument>("device rows", "width is {}; expected 1 or more", width);
  rows_ = torch::zeros({kFirstCapacity, width},
                       torch::TensorOptions().dtype(torch::kFloat16).device(device));
}

/// Returns the row numbers on the device, each at least `lowest` and below `limit`.
torch::Tensor DeviceRows::on_device(std::span<const int32_t> rows, int32_t lowest,
                                    int64_t limit) const {
  for (int32_t row : rows)
    if (row < lowest || row >= limit)
      fail<InvalidArgument>("device rows", "row {} asked for; there are {}", row, size_);
  torch::Tensor numbers = torch::empty(std::ssize(rows), torch::kInt32);
  std::copy(rows.begin(), rows.end(), numbers.data_ptr<int32_t>());
  return numbers.to(rows_.device());
}

void DeviceRows::write(std::span<const int32_t> rows, const torch::Tensor& vectors) {
  const int64_t n = std::ssize(rows), width = rows_.size(1);
  if (vectors.dim() != 2 || vectors.size(0) != n || vectors.size(1) != width)
    fail<InvalidArgument>("device rows", "vectors are [{}]; expected [{}, {}]",
                          fmt::join(vectors.sizes(), ", "), n, width);
  if (n == 0) return;
  const int64_t needed = *std::max_element(rows.begin(), rows.end()) + int64_t{1};
  const torch::Tensor numbers = on_device(rows, 0, needed);
  if (needed > rows_.size(0)) {
    torch::Tensor larger =
        torch::zeros({std::max(needed, 2 * rows_.size(0)), width}, rows_.options());
    larger.narrow(0, 0, size_).copy_(rows_.narrow(0, 0, size_));
    rows_ = larger;
  }
  const torch::Tensor values = vectors.detach().to(rows_.device(), torch::kFloat32).contiguous();
  cuda::scatter_rows(values.data_ptr<float>(), width, numbers.data_ptr<int32_t>(), n,
                     rows_.data_ptr(), stream_of(rows_));
  size_ = std::max(size_, needed);
}

torch::Tensor DeviceRows::gather(std::span<const int32_t> rows) const {
  const torch::Tensor numbers = on_device(rows, -1, size_);
  torch::Tensor result =
      torch::empty({std::ssize(rows), rows_.size(1)}, rows_.options().dtype(torch::kFloat32));
  cuda::gather_rows(rows_.data_ptr(), rows_.size(1), numbers.data_ptr<int32_t>(), std::ssize(rows),
                    result.data_ptr<float>(), stream_of(rows_));
  return result;
}

}  // namespace lemur
