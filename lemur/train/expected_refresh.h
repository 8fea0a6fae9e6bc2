// Which documents of training are worth encoding beyond a step's plan: the largest expected
// staleness times the probability of being read (model.md 4, step 5).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lemur {

/// Chooses among all documents that training reads. A choice follows from seed, step and what the
/// bank says alone: nothing of it has to be kept. May be called from any thread.
class ExpectedRefresh {
 public:
  /// Candidates that are drawn for each document of a step's budget.
  static constexpr int64_t kCandidates = 16;

  /// `reads` [num_documents]: how often training reads a document; one of 0 is never chosen.
  explicit ExpectedRefresh(std::vector<uint64_t> reads);

  /// Draws the documents that `choose` compares, distinct and ascending: kCandidates times the
  /// budget, each with a probability in proportion to sqrt(reads), or all that are read where they
  /// are no more than that. Draws are hashes of (seed, step, number of the draw).
  std::vector<uint32_t> candidates(uint64_t seed, int64_t step, int64_t budget) const;

  /// Returns the at most `budget` candidates, ascending, of the largest reads times age squared; of
  /// equals the first; none that was written in `step` itself. `last_step` [n]: step of a
  /// candidate's last write; kNeverWritten counts as older than any step.
  std::vector<uint32_t> choose(std::span<const uint32_t> candidates,
                               std::span<const int64_t> last_step, int64_t step,
                               int64_t budget) const;

 private:
  std::vector<uint64_t> reads_;      // [num_documents]
  std::vector<uint32_t> documents_;  // that are read, ascending
  std::vector<double> sums_;         // running sum of sqrt(reads) over them
};

}  // namespace lemur
