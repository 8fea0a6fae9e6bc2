// Gradients compared with finite differences, for tests.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace lemur {

/// Returns the largest deviation of the gradients of `loss()` in `inputs` from central differences,
/// per input relative to its largest gradient (to 1e-3 where all are smaller).
///
/// `inputs` are float64 leaves that require gradients; `loss` returns a scalar and always the same
/// one. At most `probes` values of each input, evenly spread, are moved. An input that gets no
/// gradient although it has values gives infinity.
inline double gradient_error(const std::function<torch::Tensor()>& loss,
                             const std::vector<torch::Tensor>& inputs, int64_t probes = 64) {
  constexpr double kStep = 1e-5, kSmallest = 1e-3;
  for (const torch::Tensor& input : inputs) input.mutable_grad() = torch::Tensor();
  loss().backward();
  double worst = 0;
  torch::NoGradGuard no_grad;
  for (const torch::Tensor& input : inputs) {
    if (input.numel() == 0) continue;
    if (!input.grad().defined()) return std::numeric_limits<double>::infinity();
    const torch::Tensor gradient = input.grad().reshape(-1);
    const double scale = std::max(gradient.abs().max().item<double>(), kSmallest);
    torch::Tensor values = input.detach().view(-1);
    const int64_t count = std::min(probes, values.numel());
    for (int64_t probe = 0; probe < count; ++probe) {
      torch::Tensor value = values[probe * values.numel() / count];
      const double before = value.item<double>();
      value.fill_(before + kStep);
      const double above = loss().item<double>();
      value.fill_(before - kStep);
      const double below = loss().item<double>();
      value.fill_(before);
      const double expected = (above - below) / (2 * kStep);
      const double found = gradient[probe * values.numel() / count].item<double>();
      const double error = std::abs(found - expected) / scale;
      if (!(error <= worst)) worst = error;  // NaN counts as the worst
      if (worst != worst) return worst;
    }
  }
  return worst;
}

/// Returns a scalar that depends on every value of `output`, each with a weight of its own.
inline torch::Tensor weighted_sum(const torch::Tensor& output) {
  const torch::Tensor index = torch::arange(output.numel(), torch::kFloat64);
  return (output.reshape(-1) * torch::cos(index * 1.7 + 0.3).to(output.dtype())).sum();
}

}  // namespace lemur
