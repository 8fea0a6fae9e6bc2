#include "lemur/train/step_plan.h"

#include <algorithm>

#include "lemur/base/hash.h"

namespace lemur {

StepPlan plan_step(const BankOptions& options, uint64_t seed, int64_t step,
                   std::span<const uint64_t> keys, std::span<const bool> present,
                   std::span<const bool> clicked) {
  const uint64_t forward_seed = hash_combine(seed, 1), backward_seed = hash_combine(seed, 2);
  const double share = options.forward > 0 ? options.backward / options.forward : 0;
  StepPlan plan;
  for (uint32_t i = 0; i < keys.size(); ++i) {
    auto at = static_cast<uint64_t>(step);
    const bool always =
        !options.enabled || (options.encode_clicked && !clicked.empty() && clicked[i]);
    bool forward =
        always || !present[i] || hash_uniform(forward_seed, at, keys[i]) < options.forward;
    bool backward = always || hash_uniform(backward_seed, at, keys[i]) < share;
    (forward ? (backward ? plan.graph : plan.forward_only) : plan.stored).push_back(i);
  }
  return plan;
}

std::vector<uint32_t> plan_refresh(std::span<const int64_t> last_step, int64_t step,
                                   int64_t budget) {
  std::vector<uint32_t> chosen;
  for (uint32_t i = 0; i < last_step.size(); ++i)
    if (last_step[i] < step) chosen.push_back(i);
  auto size = std::min(chosen.size(), static_cast<size_t>(std::max<int64_t>(budget, 0)));
  auto end = chosen.begin() + static_cast<ptrdiff_t>(size);
  std::nth_element(chosen.begin(), end, chosen.end(), [&](uint32_t a, uint32_t b) {
    return last_step[a] != last_step[b] ? last_step[a] < last_step[b] : a < b;
  });
  chosen.erase(end, chosen.end());
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace lemur
