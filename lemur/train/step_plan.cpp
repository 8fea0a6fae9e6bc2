#include "lemur/train/step_plan.h"

#include "lemur/base/hash.h"

namespace lemur {

StepPlan plan_step(const BankOptions& options, uint64_t seed, int64_t step,
                   std::span<const uint64_t> keys, std::span<const bool> present) {
  const uint64_t forward_seed = hash_combine(seed, 1), backward_seed = hash_combine(seed, 2);
  const double share = options.forward > 0 ? options.backward / options.forward : 0;
  StepPlan plan;
  for (uint32_t i = 0; i < keys.size(); ++i) {
    auto at = static_cast<uint64_t>(step);
    bool forward = !options.enabled || !present[i] ||
                   hash_uniform(forward_seed, at, keys[i]) < options.forward;
    bool backward = !options.enabled || hash_uniform(backward_seed, at, keys[i]) < share;
    (forward ? (backward ? plan.graph : plan.forward_only) : plan.stored).push_back(i);
  }
  return plan;
}

}  // namespace lemur
