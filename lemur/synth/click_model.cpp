#include "lemur/synth/click_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lemur {

double ClickParts::sum() const { return std::accumulate(values.begin(), values.end(), 0.0); }

ClickParts click_parts(const ClickEffects& effects, const WorldDocuments& catalogue,
                       const Search& search, const User& user, uint32_t document, int64_t position,
                       double interactions) {
  const Document& shown = catalogue.documents()[document];
  return {{effects.match * shown.topics.weight_of(search.topic),
           effects.long_interest * user.interest.dot(shown.topics),
           effects.short_interest * shown.topics.weight_of(user.passing_topic),
           effects.quality * shown.quality, effects.author * catalogue.appeal(shown.author),
           effects.position * std::log2(1 + static_cast<double>(position)),
           effects.interactions * interactions}};
}

void ClickHistogram::add(double probability, bool label) {
  auto cell = static_cast<size_t>(probability * static_cast<double>(kCells));
  ++cells_[std::min(cell, kCells - 1)][label];
}

double ClickHistogram::auc() const {
  double below = 0, won = 0, positives = 0;
  for (const auto& [negative, positive] : cells_) {
    won += static_cast<double>(positive) * (below + 0.5 * static_cast<double>(negative));
    below += static_cast<double>(negative);
    positives += static_cast<double>(positive);
  }
  return below > 0 && positives > 0 ? won / (below * positives) : 0.5;
}

void ShareCounter::add(const ClickParts& parts) {
  double logit = parts.sum();
  ++count_;
  logits_ += logit;
  squares_ += logit * logit;
  for (size_t i = 0; i < parts.values.size(); ++i) {
    sums_[i] += parts.values[i];
    products_[i] += parts.values[i] * logit;
  }
}

VarianceShares ShareCounter::shares() const {
  double mean = logits_ / static_cast<double>(std::max<int64_t>(count_, 1));
  double variance = squares_ - mean * logits_;
  if (variance <= 1e-12 * squares_) return {};
  auto share = [&](size_t i) { return (products_[i] - mean * sums_[i]) / variance; };
  return {share(0), share(1), share(2), share(3), share(4), share(5), share(6)};
}

}  // namespace lemur
