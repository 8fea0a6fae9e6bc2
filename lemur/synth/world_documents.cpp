#include "lemur/synth/world_documents.h"

#include <algorithm>
#include <cmath>

namespace lemur {
namespace {

constexpr int64_t kDocumentsPerAuthor = 20;
constexpr double kSynonymShare = 0.15;  // of the words in documents
constexpr double kCoverless = 0.03;     // of the documents, with images

}  // namespace

void TopicMix::add(uint32_t topic, double weight) {
  for (size_t i = 0; i < size_; ++i)
    if (topics_[i] == topic) {
      weights_[i] += static_cast<float>(weight);
      return;
    }
  if (size_ == kMost) return;
  topics_[size_] = static_cast<uint16_t>(topic);
  weights_[size_++] = static_cast<float>(weight);
}

void TopicMix::normalise() {
  float scale = 1 / std::sqrt(static_cast<float>(dot(*this)));
  for (float& weight : weights_) weight *= scale;
}

double TopicMix::weight_of(uint32_t topic) const {
  for (size_t i = 0; i < size_; ++i)
    if (topics_[i] == topic) return weights_[i];
  return 0;
}

double TopicMix::dot(const TopicMix& other) const {
  double sum = 0;
  for (size_t i = 0; i < size_; ++i)
    sum += static_cast<double>(weights_[i]) * other.weight_of(topics_[i]);
  return sum;
}

double TopicMix::share_of(uint32_t topic) const {
  double total = 0;
  for (size_t i = 0; i < size_; ++i) total += weights_[i];
  return weight_of(topic) / total;
}

TopicMix TopicMix::without(uint32_t topic) const {
  TopicMix others;
  for (size_t i = 0; i < size_; ++i)
    if (topics_[i] != topic) others.add(topics_[i], weights_[i]);
  return others;
}

uint32_t TopicMix::draw(Random& random) const {
  double total = 0;
  for (size_t i = 0; i < size_; ++i) total += weights_[i];
  double left = random.uniform() * total;
  for (size_t i = 0; i + 1 < size_; ++i) {
    left -= weights_[i];
    if (left < 0) return topics_[i];
  }
  return topics_[size_ - 1u];
}

void TopicMix::replace(size_t i, uint32_t topic) {
  if (weight_of(topic) == 0) topics_[i] = static_cast<uint16_t>(topic);
}

std::vector<double> topic_weights(int64_t topics) { return zipf_weights(topics, 0.7, 5); }

WeightedIndex topic_popularity(int64_t topics) { return WeightedIndex(topic_weights(topics)); }

WorldDocuments::WorldDocuments(const WorldOptions& options, const Lexicon& lexicon)
    : options_(options), lexicon_(lexicon) {
  WeightedIndex popularity = topic_popularity(options.topics);
  make_authors(popularity);
  make_documents(popularity);
  if (options.images) add_visual_topics(popularity);
}

void WorldDocuments::make_authors(const WeightedIndex& popularity) {
  Random random(options_.seed, hash_bytes("authors"));
  authors_.resize(
      static_cast<size_t>(std::max<int64_t>(1, options_.documents / kDocumentsPerAuthor)));
  for (Author& author : authors_) {
    author.focus.add(popularity.draw(random), 0.7);
    author.focus.add(popularity.draw(random), 0.3);
    author.focus.normalise();
    author.appeal = static_cast<float>(random.normal());
  }
}

void WorldDocuments::make_documents(const WeightedIndex& popularity) {
  Random random(options_.seed, hash_bytes("documents"));
  WeightedIndex productivity(zipf_weights(static_cast<int64_t>(authors_.size()), 0.4, 10));
  documents_.reserve(static_cast<size_t>(options_.documents));
  for (int64_t i = 0; i < options_.documents; ++i) {
    int64_t created_ms = birth(i, random);
    uint32_t author = productivity.draw(random);
    auto quality = static_cast<float>(random.normal());
    documents_.push_back(
        {created_ms, author, quality, draw_topics(authors_[author], popularity, random)});
  }
}

void WorldDocuments::add_visual_topics(const WeightedIndex& popularity) {
  Random random(options_.seed, hash_bytes("visual topics"));
  double weight = std::sqrt(options_.visual_share / (1 - options_.visual_share));
  for (Document& document : documents_) {
    uint32_t topic = popularity.draw(random);
    while (document.topics.weight_of(topic) > 0) topic = popularity.draw(random);
    document.visual_topic = static_cast<uint16_t>(topic);
    document.topics.add(topic, weight);
  }
}

int64_t WorldDocuments::birth(int64_t document, Random& random) const {
  auto old = std::clamp<int64_t>(
      std::llround(options_.initial_documents * static_cast<double>(options_.documents)), 1,
      options_.documents);
  double jitter = random.uniform();
  auto part = [&](int64_t i, int64_t n) {
    return (static_cast<double>(i) + jitter) / static_cast<double>(n);
  };
  double days = document < old ? 30 * (part(document, old) - 1)
                               : options_.days * part(document - old, options_.documents - old);
  return kLogStart + static_cast<int64_t>(std::floor(days * kDayMs));
}

TopicMix WorldDocuments::draw_topics(const Author& author, const WeightedIndex& popularity,
                                     Random& random) const {
  auto draw = [&](double focused) {
    return random.chance(focused) ? author.focus.draw(random) : popularity.draw(random);
  };
  TopicMix mix;
  double main = 0.6 + 0.3 * random.uniform(), kind = random.uniform();
  mix.add(draw(0.8), kind < 0.45 ? 1 : main);
  if (kind >= 0.45) mix.add(draw(0.4), (1 - main) * (kind < 0.85 ? 1 : 0.6));
  if (kind >= 0.85) mix.add(draw(0), (1 - main) * 0.4);
  mix.normalise();
  return mix;
}

uint32_t WorldDocuments::category(uint32_t document) const {
  return documents_[document].topics.topic(0) % static_cast<uint32_t>(options_.categories);
}

bool WorldDocuments::has_cover(uint32_t document) const {
  return options_.images &&
         hash_uniform(options_.seed, hash_bytes("coverless"), document) >= kCoverless;
}

std::string WorldDocuments::text(const TopicMix& topics, double mean_words, double topical_share,
                                 Random& random) const {
  std::string text;
  for (int64_t left = random.poisson(mean_words); left > 0; --left) {
    uint32_t word = random.chance(topical_share)
                        ? lexicon_.draw_topical(topics.draw(random), kSynonymShare, random)
                        : lexicon_.draw_background(random);
    if (!text.empty()) text += ' ';
    text += lexicon_.word(word);
  }
  return text;
}

WorldDocuments::Texts WorldDocuments::texts(uint32_t document) const {
  Random random(hash_combine(options_.seed, hash_bytes("texts")), document);
  const Document& of = documents_[document];
  TopicMix topics = of.visual_topic ? of.topics.without(*of.visual_topic) : of.topics;
  Texts texts;
  texts.title = text(topics, options_.title_words, 0.6, random);
  texts.ocr = text(topics, options_.ocr_words, 0.4, random);
  texts.asr = text(topics, options_.asr_words, 0.4, random);
  texts.cover_ocr = text(topics, options_.cover_ocr_words, 0.6, random);
  return texts;
}

}  // namespace lemur
