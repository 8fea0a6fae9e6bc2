#include "lemur/eval/bank_deciles.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "lemur/base/hash.h"
#include "lemur/model/bank_writer.h"
#include "lemur/model/representation.h"

namespace lemur {
namespace {

constexpr size_t kDeciles = 10;

/// Takes the first `most` documents by their hashes.
PopularityGroup draw_group(std::string name, std::span<const uint32_t> documents,
                           std::span<const uint64_t> hashes, size_t most) {
  PopularityGroup group{std::move(name), std::ssize(documents), {}};
  std::vector<uint32_t> order(documents.begin(), documents.end());
  const auto size = static_cast<ptrdiff_t>(std::min(most, order.size()));
  std::nth_element(order.begin(), order.begin() + size, order.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(hashes[a], a) < std::pair(hashes[b], b);
  });
  order.resize(static_cast<size_t>(size));
  std::sort(order.begin(), order.end());
  group.sample = std::move(order);
  return group;
}

}  // namespace

std::vector<PopularityGroup> group_by_popularity(std::span<const uint64_t> keys,
                                                 std::span<const uint32_t> shown, uint64_t seed,
                                                 size_t most) {
  std::vector<uint64_t> hashes(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) hashes[i] = hash_combine(seed, keys[i]);
  std::vector<uint32_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::tuple(shown[a], hashes[a], a) < std::tuple(shown[b], hashes[b], b);
  });
  const auto first_shown =
      std::partition_point(order.begin(), order.end(), [&](uint32_t d) { return shown[d] == 0; });
  const std::span<const uint32_t> unseen(order.begin(), first_shown),
      seen(first_shown, order.end());
  std::vector<PopularityGroup> groups;
  for (size_t decile = 0; decile < kDeciles; ++decile) {
    const size_t begin = decile * seen.size() / kDeciles,
                 end = (decile + 1) * seen.size() / kDeciles;
    if (begin == end) continue;
    groups.push_back(
        draw_group(fmt::format("{}", decile + 1), seen.subspan(begin, end - begin), hashes, most));
  }
  if (!unseen.empty()) groups.push_back(draw_group("unseen", unseen, hashes, most));
  return groups;
}

std::vector<BankDecile> measure_deciles(const SampleStore& store, ModelState& state,
                                        std::span<const PopularityGroup> groups, int64_t step) {
  const torch::NoGradGuard no_gradient;
  const auto health = measure_bank(*state.bank);
  const DocumentBank stored(store, *state.bank);
  MemoryBank encoded(state.bank->width());
  DocumentBank fresh(store, encoded);
  std::vector<BankDecile> deciles;
  for (const PopularityGroup& group : groups) {
    BankDecile decile{.name = group.name, .documents = group.documents};
    std::vector<uint32_t> held = group.sample;
    std::erase_if(held, [&](uint32_t document) { return !stored.contains(document); });
    decile.coverage = static_cast<double>(held.size()) / static_cast<double>(group.sample.size());
    if (!held.empty()) {
      std::vector<int64_t> last(held.size());
      state.bank->ages(stored.rows(held), last);
      decile.age = static_cast<double>(step) - std::accumulate(last.begin(), last.end(), 0.0) /
                                                   static_cast<double>(last.size());
      encode_into_bank(store, state, held, step, fresh);
      const double cosine = torch::cosine_similarity(fresh.gather(held), stored.gather(held), 1)
                                .to(torch::kFloat64)
                                .mean()
                                .item<double>();
      decile.staleness = cosine;
      if (health && health->mean_cosine < 1)
        decile.freshness = (cosine - health->mean_cosine) / (1 - health->mean_cosine);
    }
    deciles.push_back(std::move(decile));
  }
  return deciles;
}

}  // namespace lemur
