#include "lemur/synth/random.h"

namespace lemur {

WeightedIndex::WeightedIndex(std::span<const double> weights)
    : keep_(weights.size(), 1.0f), other_(weights.size()) {
  double total = 0;
  for (double weight : weights) total += weight;
  std::vector<double> scaled(weights.size());
  std::vector<uint32_t> small, large;
  for (size_t i = 0; i < weights.size(); ++i) {
    scaled[i] = weights[i] * static_cast<double>(weights.size()) / total;
    other_[i] = static_cast<uint32_t>(i);
    (scaled[i] < 1 ? small : large).push_back(static_cast<uint32_t>(i));
  }
  while (!small.empty() && !large.empty()) {
    uint32_t poor = small.back(), rich = large.back();
    small.pop_back();
    keep_[poor] = static_cast<float>(scaled[poor]);
    other_[poor] = rich;
    scaled[rich] -= 1 - scaled[poor];
    if (scaled[rich] < 1) {
      large.pop_back();
      small.push_back(rich);
    }
  }
}

std::vector<double> zipf_weights(int64_t count, double exponent, double offset) {
  std::vector<double> weights(static_cast<size_t>(count));
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] = std::pow(static_cast<double>(i + 1) + offset, -exponent);
  return weights;
}

}  // namespace lemur
