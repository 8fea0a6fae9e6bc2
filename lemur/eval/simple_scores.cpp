#include "lemur/eval/simple_scores.h"

#include <algorithm>
#include <cmath>

namespace lemur {
namespace {

constexpr double kSmoothing = 10;
constexpr size_t kNewest = 20;               // documents of a history
constexpr uint64_t kMostClicks = 2'000'000;  // whose histories are counted

uint64_t pair_key(uint32_t a, uint32_t b) { return uint64_t{a} << 32 | b; }

}  // namespace

Popularity::Popularity(const SampleStore& store) : rates_(store.schema().num_documents) {
  const StoreSchema::Split& train = store.schema().split("train");
  begin_ = train.begin;
  double all_clicks = 0, all = 0;
  for (uint64_t event = train.begin; event < train.end; ++event) {
    const double weight = store.weights()[event];
    all += weight;
    all_clicks += store.labels(0)[event] != 0 ? weight : 0;
  }
  const double rate = (all_clicks + 1) / (all + 2);
  std::vector<double> clicks(rates_.size()), shown(rates_.size());
  const auto rate_of = [&](uint32_t document) {
    return (clicks[document] + kSmoothing * rate) / (shown[document] + kSmoothing);
  };
  before_.reserve(train.end - train.begin);
  for (uint64_t event = train.begin; event < train.end; ++event) {
    const uint32_t document = store.documents()[event];
    before_.push_back(static_cast<float>(rate_of(document)));
    const double weight = store.weights()[event];
    shown[document] += weight;
    clicks[document] += store.labels(0)[event] != 0 ? weight : 0;
  }
  for (uint32_t document = 0; document < rates_.size(); ++document)
    rates_[document] = rate_of(document);
}

ItemItem::ItemItem(const SampleStore& store)
    : store_(store), clicks_(store.schema().num_documents) {
  const StoreSchema::Split& train = store.schema().split("train");
  begin_ = train.begin;
  const auto is_click = [&](uint64_t event) {
    return store.labels(0)[event] != 0 && store.weights()[event] != 0;
  };
  uint64_t first = train.end;
  for (uint64_t counted = 0; first > train.begin && counted < kMostClicks;)
    counted += is_click(--first) ? 1 : 0;
  before_.assign(train.end - train.begin, 0);
  for (uint64_t event = first; event < train.end; ++event) {
    before_[event - begin_] = static_cast<float>(score(event));
    if (!is_click(event)) continue;
    const uint32_t document = store.documents()[event];
    ++clicks_[document];
    for_each_newest(event, [&](uint32_t past) { ++together_[pair_key(document, past)]; });
  }
}

double ItemItem::score(uint64_t event) const {
  const uint32_t document = store_.documents()[event];
  double sum = 0;
  for_each_newest(event, [&](uint32_t past) {
    const auto found = together_.find(pair_key(document, past));
    if (found != together_.end())
      sum += found->second / std::sqrt((clicks_[document] + 1.0) * (clicks_[past] + 1.0));
  });
  return sum;
}

template <typename Visit>
void ItemItem::for_each_newest(uint64_t event, const Visit& visit) const {
  const auto past =
      store_.history(0, store_.users()[event], store_.request_times()[event]).documents;
  for (uint32_t document : past.last(std::min(past.size(), kNewest))) visit(document);
}

QueryMatch::QueryMatch(const SampleStore& store)
    : store_(store), raw_(store.matcher()->num_values()) {
  const StoreSchema::Match& match = store.schema().matches[0];
  place_ = match.fields.size() > 1 ? match.fields.size() * kMatchNames.size() : 0;
  texts_.resize(store.schema().text.size());
}

double QueryMatch::score(uint64_t event) {
  const uint32_t query = store_.queries()[event];
  if (query == kNone) return 0;
  if (query != prepared_) store_.matcher()->prepare(store_.query_tokens()[query], query_);
  prepared_ = query;
  for (size_t field = 0; field < texts_.size(); ++field)
    texts_[field] = store_.document_tokens(store_.documents()[event], field);
  store_.matcher()->match_raw(query_, texts_, raw_);
  return std::isfinite(raw_[place_]) ? raw_[place_] : 0;
}

}  // namespace lemur
