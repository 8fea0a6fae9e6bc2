// What the bank holds of documents of like popularity: how much of it, how old, how stale.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lemur/data/sample_store.h"
#include "lemur/model/model_state.h"

namespace lemur {

/// Documents that training shows about as often.
struct PopularityGroup {
  std::string name;              ///< "1", the tenth that is shown least, to "10"; "unseen": never
  int64_t documents = 0;         ///< in the group, at least 1
  std::vector<uint32_t> sample;  ///< of them, ascending
};

/// Parts documents into deciles by `shown` [num_documents], the impressions of training, ties in
/// the order of a hash of (seed, key), and those that are never shown; draws at most `most` of each
/// group by the same hash. Groups without documents are left out. `keys` [num_documents].
std::vector<PopularityGroup> group_by_popularity(std::span<const uint64_t> keys,
                                                 std::span<const uint32_t> shown, uint64_t seed,
                                                 size_t most = 64);

/// What the bank holds of a group's sample.
struct BankDecile {
  std::string name;       ///< of the group
  int64_t documents = 0;  ///< in the group
  double coverage = 0;    ///< share of the sample that the bank holds
  std::optional<double>
      age;  ///< mean steps since the last write; this and the next: nothing where it holds none
  std::optional<double> staleness;  ///< mean cosine of what would be encoded now and what is stored
  std::optional<double> freshness;  ///< how far that is from the mean cosine of two random
                                    ///< documents of the bank (0) to 1
};

/// Measures as of `step`, with the state's present weights, which encode the samples without
/// gradient. Leaves the state as it was. Requires: the state has a bank.
std::vector<BankDecile> measure_deciles(const SampleStore& store, ModelState& state,
                                        std::span<const PopularityGroup> groups, int64_t step);

}  // namespace lemur
