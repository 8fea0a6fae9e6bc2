#include "lemur/serving/live_past.h"

namespace lemur {

LivePast::LivePast(const Catalogue& catalogue)
    : catalogue_(catalogue), histories_(catalogue), counters_(catalogue) {}

bool LivePast::add(const FeedbackEvent& event) {
  if (!histories_.add(event)) return false;
  counters_.add(event);
  return true;
}

std::vector<RankSchema::Missing> LivePast::missing() const {
  const StoreSchema& schema = catalogue_.store().schema();
  std::vector<RankSchema::Missing> all;
  for (size_t c = 0; c < schema.counters.size(); ++c)
    for (const std::string& column : counters_.missing(c))
      all.push_back({"counter", schema.features[schema.counters[c].rate_feature].name, column});
  for (size_t h = 0; h < schema.histories.size(); ++h)
    for (const std::string& column : histories_.missing(h))
      all.push_back({"history", schema.histories[h].name, column});
  return all;
}

}  // namespace lemur
