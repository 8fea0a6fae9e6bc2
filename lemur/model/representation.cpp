#include "lemur/model/representation.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace lemur {
namespace {

constexpr int64_t kMostRows = 1000;
constexpr int64_t kFewestToWarn = 100;  // documents: fewer are not apart in many directions
constexpr double kHighCosine = 0.9, kLowRank = 1.0 / 16;

}  // namespace

std::optional<RepresentationHealth> measure_representations(const torch::Tensor& rows) {
  const torch::NoGradGuard no_gradient;
  const torch::Tensor wide = rows.cpu().to(torch::kFloat64), lengths = wide.norm(2, {1});
  const torch::Tensor kept = (lengths > 0).nonzero().flatten();
  const int64_t n = kept.numel();
  if (n < 2) return std::nullopt;
  const torch::Tensor unit =
      wide.index_select(0, kept) / lengths.index_select(0, kept).unsqueeze(1);
  const auto pairs = static_cast<double>(n) * static_cast<double>(n - 1);
  const torch::Tensor cosines = torch::mm(unit, unit.t());
  RepresentationHealth health{.documents = n};
  health.mean_cosine = (cosines.sum().item<double>() - static_cast<double>(n)) / pairs;
  // Squared distances of unit vectors are 2 - 2 cos.
  const double near = ((cosines - 1) * 4).exp().sum().item<double>() - static_cast<double>(n);
  health.uniformity = std::log(std::max(near, 1e-300) / pairs);
  const torch::Tensor centred = unit - unit.mean(0, true);
  torch::Tensor energy = torch::linalg_eigvalsh(torch::mm(centred.t(), centred), "L").clamp_min(0);
  const double total = energy.sum().item<double>();
  if (total <= 0) {
    health.effective_rank = 1;
    return health;
  }
  energy = energy / total;
  health.effective_rank = std::exp(-(energy * energy.clamp_min(1e-300).log()).sum().item<double>());
  return health;
}

std::optional<RepresentationHealth> measure_bank(const MemoryBank& bank) {
  const int64_t count = std::min(bank.size(), kMostRows);
  std::vector<int32_t> rows(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    rows[static_cast<size_t>(i)] = static_cast<int32_t>(i * bank.size() / count);
  return measure_representations(bank.gather(rows));
}

std::string collapse_warning(const RepresentationHealth& health, int64_t width) {
  const bool has_collapsed = health.mean_cosine > kHighCosine ||
                             health.effective_rank < kLowRank * static_cast<double>(width);
  if (health.documents < kFewestToWarn || !has_collapsed) return {};
  return fmt::format(
      "warning: the encoders do not tell documents apart: two random documents have cosine {:.3f}, "
      "and their vectors use {:.1f} of {} directions. More clicks a step (train.order = "
      "\"requests\", train.batch_size), model.text_start = \"corpus\", train.encoder_gradient = 0 "
      "and a lower model.temperature keep them apart",
      health.mean_cosine, health.effective_rank, width);
}

}  // namespace lemur
