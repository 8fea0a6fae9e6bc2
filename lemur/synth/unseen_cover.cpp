#include "lemur/synth/unseen_cover.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lemur {
namespace {

double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

}  // namespace

UnseenCover::UnseenCover(const WorldOptions& options, const WorldDocuments& catalogue,
                         const Exposure& exposure)
    : options_(options),
      documents_(catalogue.documents()),
      exposure_(exposure),
      popularity_(topic_weights(options.topics)) {
  double total = std::accumulate(popularity_.begin(), popularity_.end(), 0.0);
  for (double& weight : popularity_) weight /= total;
  for (auto& counts : positions_) counts.fill(1);
}

bool UnseenCover::is_textual(const ImpressionView& shown, uint32_t topic) const {
  const Document& document = documents_[shown.document];
  return topic != document.visual_topic && document.topics.weight_of(topic) > 0;
}

/// Returns the topics of query and user that the cover may show, each once. All others have the
/// same likelihood and no effect.
UnseenCover::Topics UnseenCover::relevant_topics(const ImpressionView& shown) const {
  Topics topics;
  auto add = [&](uint32_t topic) {
    auto end = topics.ids.begin() + static_cast<ptrdiff_t>(topics.size);
    if (!is_textual(shown, topic) && std::find(topics.ids.begin(), end, topic) == end)
      topics.ids[topics.size++] = topic;
  };
  add(shown.search.topic);
  add(shown.user.passing_topic);
  for (size_t i = 0; i < shown.user.interest.size(); ++i) add(shown.user.interest.topic(i));
  return topics;
}

/// Returns what a visual topic adds to the logit, for a weight of 1 in the document's mix.
double UnseenCover::effect(const ImpressionView& shown, uint32_t topic) const {
  const ClickEffects& effects = options_.click;
  return (topic == shown.search.topic ? effects.match : 0) +
         effects.long_interest * shown.user.interest.weight_of(topic) +
         (topic == shown.user.passing_topic ? effects.short_interest : 0);
}

/// Returns how likely the document is at its position if this is its visual topic, for whose sake
/// the engine draws it with the chance `pull`, up to a factor that all topics share.
double UnseenCover::likelihood(const ImpressionView& shown, uint32_t topic, double pull) const {
  const TopicMix& topics = documents_[shown.document].topics;
  double drawn = exposure_.pull() + pull;
  for (size_t i = 0; i < topics.size(); ++i)
    if (is_textual(shown, topics.topic(i)))
      drawn += exposure_.pull(shown.search, shown.user, shown.document, topics.topic(i));
  if (is_textual(shown, shown.search.topic)) return drawn;
  const auto& counts = positions_[topic == shown.search.topic];
  double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  return drawn * counts[static_cast<size_t>(shown.position)] / total;
}

double UnseenCover::expected_p_star(const ImpressionView& shown, double logit) const {
  const Document& document = documents_[shown.document];
  uint32_t truth = *document.visual_topic;
  double weight = document.topics.weight_of(truth);
  double others = 1, evidence = 0, expected = 0;
  auto add = [&](double prior, double likely, double effect_difference) {
    evidence += prior * likely;
    expected += prior * likely * sigmoid(logit + weight * effect_difference);
  };
  Topics relevant = relevant_topics(shown);
  for (size_t i = 0; i < relevant.size; ++i) {
    uint32_t topic = relevant.ids[i];
    double pull = exposure_.pull(shown.search, shown.user, shown.document, topic);
    add(popularity_[topic], likelihood(shown, topic, pull),
        effect(shown, topic) - effect(shown, truth));
    others -= popularity_[topic];
  }
  for (size_t i = 0; i < document.topics.size(); ++i)
    if (is_textual(shown, document.topics.topic(i)))
      others -= popularity_[document.topics.topic(i)];
  constexpr uint32_t kNone = UINT32_MAX;
  add(std::max(others, 0.0), likelihood(shown, kNone, 0), -effect(shown, truth));
  return expected / evidence;
}

void UnseenCover::count(const ImpressionView& shown) {
  if (is_textual(shown, shown.search.topic)) return;
  bool match = documents_[shown.document].visual_topic == shown.search.topic;
  ++positions_[match][static_cast<size_t>(shown.position)];
}

}  // namespace lemur
