#include "lemur/train/expected_refresh.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lemur/base/hash.h"

namespace lemur {

ExpectedRefresh::ExpectedRefresh(std::vector<uint64_t> reads) : reads_(std::move(reads)) {
  double sum = 0;
  for (uint32_t document = 0; document < reads_.size(); ++document) {
    if (reads_[document] == 0) continue;
    sum += std::sqrt(static_cast<double>(reads_[document]));
    documents_.push_back(document);
    sums_.push_back(sum);
  }
}

std::vector<uint32_t> ExpectedRefresh::candidates(uint64_t seed, int64_t step,
                                                  int64_t budget) const {
  const auto count = static_cast<size_t>(std::max<int64_t>(budget, 0) * kCandidates);
  if (count >= documents_.size()) return documents_;
  const uint64_t draw_seed = hash_combine(seed, 3);  // plan_step has 1 and 2
  std::vector<uint32_t> drawn(count);
  for (size_t i = 0; i < count; ++i) {
    const double at = sums_.back() * hash_uniform(draw_seed, static_cast<uint64_t>(step), i);
    drawn[i] = documents_[static_cast<size_t>(std::upper_bound(sums_.begin(), sums_.end() - 1, at) -
                                              sums_.begin())];
  }
  std::sort(drawn.begin(), drawn.end());
  drawn.erase(std::unique(drawn.begin(), drawn.end()), drawn.end());
  return drawn;
}

std::vector<uint32_t> ExpectedRefresh::choose(std::span<const uint32_t> candidates,
                                              std::span<const int64_t> last_step, int64_t step,
                                              int64_t budget) const {
  std::vector<std::pair<double, uint32_t>> ranked;  // minus what is gained, document
  for (size_t i = 0; i < candidates.size(); ++i) {
    const auto age = static_cast<double>(step - last_step[i]);
    if (age > 0)
      ranked.emplace_back(-static_cast<double>(reads_[candidates[i]]) * age * age, candidates[i]);
  }
  const auto size = std::min(ranked.size(), static_cast<size_t>(std::max<int64_t>(budget, 0)));
  std::nth_element(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(size), ranked.end());
  std::vector<uint32_t> chosen(size);
  for (size_t i = 0; i < size; ++i) chosen[i] = ranked[i].second;
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace lemur
