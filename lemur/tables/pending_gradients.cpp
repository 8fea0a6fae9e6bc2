#include "lemur/tables/pending_gradients.h"

#include <algorithm>
#include <string_view>

#include "lemur/base/error.h"
#include "lemur/tables/row_file.h"

namespace lemur {
namespace {

constexpr std::string_view kGradientMagic = "LEMURGRD";

}  // namespace

void PendingGradients::add(std::span<const int32_t> rows, const torch::Tensor& gradients) {
  ensure(gradients.scalar_type() == torch::kFloat32 && gradients.is_cpu() &&
             gradients.is_contiguous() && gradients.dim() == 2 &&
             gradients.size(0) == std::ssize(rows) && gradients.size(1) == width_,
         "pending gradients", "gradients are float32 [rows, width] on the CPU");
  const int64_t before = sums_.size();
  const int64_t needed = rows.empty() ? 0 : *std::ranges::max_element(rows) + int64_t{1};
  if (needed > before) sums_.grow(needed);
  for (int64_t row = before; row < needed; ++row) std::fill_n(sums_.row(row), width_, 0.0F);
  const auto* gradient = gradients.data_ptr<float>();
  for (const int32_t row : rows) {
    float* sum = sums_.row(row);
    for (int64_t i = 0; i < width_; ++i) sum[i] += *gradient++;
  }
}

torch::Tensor PendingGradients::take(std::span<const int32_t> rows) {
  torch::Tensor taken = torch::zeros({std::ssize(rows), width_});
  auto* target = taken.data_ptr<float>();
  for (const int32_t row : rows) {
    if (row < sums_.size()) {
      std::copy_n(sums_.row(row), width_, target);
      std::fill_n(sums_.row(row), width_, 0.0F);
    }
    target += width_;
  }
  return taken;
}

// A row file (row_file.h): count (u64), sums (float32 [count, width]).
void PendingGradients::save(const std::filesystem::path& path) const {
  RowFileWriter file(path, kGradientMagic, width_);
  file.number(static_cast<uint64_t>(sums_.size()));
  file.rows(sums_);
  file.finish();
}

void PendingGradients::load(const std::filesystem::path& path) {
  RowFileReader file(path, kGradientMagic, width_);
  ChunkedRows<float> loaded(width_);
  file.rows(file.number<uint64_t>(), loaded);
  file.finish();
  sums_ = std::move(loaded);
}

}  // namespace lemur
