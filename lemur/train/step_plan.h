// Which documents of a batch run the encoder forward, which backward too, which are read from the
// bank (model.md 4).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lemur/base/options.h"

namespace lemur {

/// The distinct documents of a batch, parted. Each list holds indices into the batch's documents,
/// ascending; together they hold every index once.
struct StepPlan {
  std::vector<uint32_t> graph;         ///< G: forward with a graph
  std::vector<uint32_t> forward_only;  ///< F \ G
  std::vector<uint32_t> stored;        ///< read from the bank
};

/// Draws the plan: a document is in F with probability p and always when it is not `present`; a
/// member of F is in G with probability q/p; with bank.encode_clicked a `clicked` one is in both.
/// Draws are hashes of (seed, step, key): independent of thread and worker counts. Without a bank
/// everything is in G. `present`, `clicked` [n];
/// `clicked` may be empty: none is.
StepPlan plan_step(const BankOptions& options, uint64_t seed, int64_t step,
                   std::span<const uint64_t> keys, std::span<const bool> present,
                   std::span<const bool> clicked);

/// Chooses the documents of a batch's histories to encode beyond the plan (model.md 4, step 5).
/// `last_step` [n]: step of a document's last write, kNeverWritten where the bank lacks it. Returns
/// at most `budget` indices, ascending: those never written first, then the oldest, of equals the
/// first; none that was written in `step` itself.
std::vector<uint32_t> plan_refresh(std::span<const int64_t> last_step, int64_t step,
                                   int64_t budget);

inline constexpr int64_t kNeverWritten = -1;

}  // namespace lemur
