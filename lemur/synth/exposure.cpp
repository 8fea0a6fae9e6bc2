#include "lemur/synth/exposure.h"

#include <algorithm>
#include <cmath>

namespace lemur {
namespace {

constexpr double kFromQuery = 0.6;      // candidates of the query's topic
constexpr double kFromInterest = 0.15;  // of the user's interests; the others: of any topic
constexpr int kRounds = 3;              // draws of which the most popular is taken

}  // namespace

Exposure::Exposure(const WorldOptions& options, const WorldDocuments& catalogue)
    : documents_(catalogue.documents()),
      shown_range_(shown_of(options)),
      random_(options.seed, hash_bytes("exposure")),
      clicks_(documents_.size()),
      by_topic_(static_cast<size_t>(options.topics)) {}

void Exposure::add_newborn(int64_t now_ms) {
  for (; num_born_ < documents_.size() && documents_[num_born_].created_ms <= now_ms; ++num_born_) {
    const TopicMix& topics = documents_[num_born_].topics;
    for (size_t i = 0; i < topics.size(); ++i) by_topic_[topics.topic(i)].push_back(num_born_);
  }
}

/// Draws a document from a list, oldest first: rather a new one, rather a popular one. An empty
/// list stands for all that are born.
uint32_t Exposure::draw(const std::vector<uint32_t>& from) {
  size_t size = from.empty() ? num_born_ : from.size();
  uint32_t best = 0;
  double best_score = -1;
  for (int i = 0; i < kRounds; ++i) {
    double age = random_.uniform();
    auto index = size - 1 - static_cast<size_t>(age * std::sqrt(age) * static_cast<double>(size));
    uint32_t document = from.empty() ? static_cast<uint32_t>(index) : from[index];
    double score = std::log1p(clicks_[document]) * random_.uniform();
    if (score > best_score) best_score = score, best = document;
  }
  return best;
}

uint32_t Exposure::candidate(const Search& search, const User& user) {
  static const std::vector<uint32_t> kAll;
  double kind = random_.uniform();
  if (kind < kFromQuery) return draw(by_topic_[search.topic]);
  if (kind < kFromQuery + kFromInterest) return draw(by_topic_[user.interest.draw(random_)]);
  return draw(kAll);
}

double Exposure::pull() const {
  return (1 - kFromQuery - kFromInterest) / static_cast<double>(num_born_);
}

double Exposure::pull(const Search& search, const User& user, uint32_t document,
                      uint32_t topic) const {
  // The list as it is with the document on it, which must not tell whether it is.
  size_t listed = by_topic_[topic].size() + (documents_[document].topics.weight_of(topic) == 0);
  double sought =
      (topic == search.topic ? kFromQuery : 0) + kFromInterest * user.interest.share_of(topic);
  return sought / static_cast<double>(listed);
}

double Exposure::score(const Search& search, uint32_t document) {
  const Document& shown = documents_[document];
  double age_days = static_cast<double>(search.time_ms - shown.created_ms) / kDayMs;
  return 0.8 * shown.topics.weight_of(search.topic) + 0.15 * std::log1p(clicks_[document]) +
         0.3 * std::exp(-age_days / 7) + 0.7 * random_.normal();
}

const std::vector<uint32_t>& Exposure::show(const Search& search, const User& user) {
  add_newborn(search.time_ms);
  auto wanted = static_cast<size_t>(shown_range_.fewest) +
                random_.below(static_cast<uint64_t>(shown_range_.most - shown_range_.fewest + 1));
  ranked_.clear();
  for (size_t tries = 0; ranked_.size() < wanted && tries < 8 * wanted; ++tries) {
    uint32_t document = candidate(search, user);
    auto same = [&](const Ranked& other) { return other.document == document; };
    if (std::none_of(ranked_.begin(), ranked_.end(), same))
      ranked_.push_back({score(search, document), document});
  }
  std::sort(ranked_.begin(), ranked_.end(),
            [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  shown_.clear();
  for (const Ranked& ranked : ranked_) shown_.push_back(ranked.document);
  return shown_;
}

}  // namespace lemur
