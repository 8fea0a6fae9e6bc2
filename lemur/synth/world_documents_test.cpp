#include "lemur/synth/world_documents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "lemur/synth/traffic.h"

namespace lemur {
namespace {

TEST(TopicMix, HasLengthOneAndCosinesWithOthers) {
  TopicMix one, two;
  one.add(3, 2);
  one.normalise();
  two.add(3, 3), two.add(9, 1), two.add(9, 3);
  two.normalise();
  EXPECT_NEAR(one.dot(one), 1, 1e-6);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_NEAR(two.dot(two), 1, 1e-6);
  EXPECT_NEAR(one.dot(two), 0.6, 1e-6);
  EXPECT_NEAR(two.weight_of(9), 0.8, 1e-6);
  EXPECT_EQ(two.weight_of(4), 0);
  EXPECT_NEAR(two.share_of(9), 0.8 / 1.4, 1e-6);
  EXPECT_EQ(two.share_of(4), 0);
  EXPECT_EQ(two.without(3).size(), 1u);
  EXPECT_NEAR(two.without(3).weight_of(9), 0.8, 1e-6);
  two.replace(1, 3);
  EXPECT_NEAR(two.weight_of(9), 0.8, 1e-6);
  two.replace(1, 4);
  EXPECT_NEAR(two.weight_of(4), 0.8, 1e-6);
}

TEST(TopicMix, DrawsItsTopicsByWeight) {
  TopicMix mix;
  mix.add(1, 3), mix.add(2, 1);
  mix.normalise();
  Random random(1, 1);
  int first = 0;
  for (int i = 0; i < 10000; ++i) first += mix.draw(random) == 1;
  EXPECT_NEAR(first, 7500, 200);
}

/// Guesses the topic by counting the words that are of it, as naive Bayes with flat
/// word frequencies does.
uint32_t guess_topic(const Lexicon& lexicon, int64_t topics, const std::string& text) {
  std::vector<int> votes(static_cast<size_t>(topics));
  std::istringstream words(text);
  for (std::string word; words >> word;)
    for (uint32_t topic = 0; topic < topics; ++topic)
      votes[topic] += lexicon.is_of_topic(word, topic);
  return static_cast<uint32_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

TEST(WorldDocuments, WritesTextsThatTellTheMainTopic) {
  WorldOptions options;
  options.documents = 300, options.topics = 32;
  Lexicon lexicon({.topics = options.topics}, 1);
  WorldDocuments catalogue(options, lexicon);
  int right = 0;
  for (uint32_t i = 0; i < 300; ++i) {
    WorldDocuments::Texts texts = catalogue.texts(i);
    EXPECT_EQ(texts.ocr, catalogue.texts(i).ocr);
    uint32_t guess =
        guess_topic(lexicon, options.topics,
                    texts.title + ' ' + texts.ocr + ' ' + texts.asr + ' ' + texts.cover_ocr);
    right += guess == catalogue.documents()[i].topics.topic(0);
  }
  EXPECT_GT(right, 270);
  EXPECT_LT(right, 300);
}

TEST(WorldDocuments, KeepsTheMeanLengthsOfTheFields) {
  WorldOptions options;
  options.documents = 3000, options.topics = 16;
  options.asr_words = 0;
  Lexicon lexicon({.topics = options.topics}, 1);
  WorldDocuments catalogue(options, lexicon);
  double title = 0, ocr = 0;
  auto words = [](const std::string& text) {
    return text.empty() ? 0 : 1 + std::count(text.begin(), text.end(), ' ');
  };
  for (uint32_t i = 0; i < 3000; ++i) {
    WorldDocuments::Texts texts = catalogue.texts(i);
    title += static_cast<double>(words(texts.title)), ocr += static_cast<double>(words(texts.ocr));
    EXPECT_EQ(texts.asr, "");
  }
  EXPECT_NEAR(title / 3000, 8, 0.3);
  EXPECT_NEAR(ocr / 3000, 14, 0.4);
}

WorldOptions with_images() {
  WorldOptions options;
  options.documents = 5000;
  options.images = true;
  return options;
}

TEST(WorldDocuments, AddsAVisualTopicAndLeavesAllElseAsItIs) {
  WorldOptions options = with_images();
  Lexicon lexicon({.topics = options.topics}, 1);
  WorldDocuments with(options, lexicon);
  options.images = false;
  WorldDocuments without(options, lexicon);
  int covers = 0;
  for (uint32_t i = 0; i < 5000; ++i) {
    const Document &one = with.documents()[i], &other = without.documents()[i];
    EXPECT_EQ(one.created_ms, other.created_ms);
    EXPECT_EQ(one.author, other.author);
    EXPECT_EQ(one.quality, other.quality);
    EXPECT_EQ(with.category(i), without.category(i));
    EXPECT_EQ(one.topics.size(), other.topics.size() + 1);
    EXPECT_EQ(other.topics.weight_of(*one.visual_topic), 0);
    EXPECT_NEAR(one.topics.weight_of(*one.visual_topic), 1, 1e-6) << "half of the squared weights";
    EXPECT_NEAR(one.topics.dot(other.topics), 1, 1e-5) << "the texts' topics weigh what they did";
    EXPECT_FALSE(other.visual_topic.has_value());
    EXPECT_FALSE(without.has_cover(i));
    covers += with.has_cover(i);
  }
  EXPECT_NEAR(covers, 0.97 * 5000, 50);
}

TEST(WorldDocuments, DrawsVisualTopicsByPopularityWhateverTheAuthor) {
  Lexicon lexicon({}, 1);
  WorldDocuments catalogue(with_images(), lexicon);
  std::vector<double> weights = topic_weights(64), counts(64);
  double total = std::accumulate(weights.begin(), weights.end(), 0.0), same = 0, pairs = 0;
  std::vector<const Document*> last(5000);
  for (const Document& document : catalogue.documents()) {
    ++counts[*document.visual_topic];
    const Document*& before = last[document.author];
    if (before != nullptr) ++pairs, same += before->visual_topic == document.visual_topic;
    before = &document;
  }
  // The most popular topic is a little rarer, being in the texts already more often than others.
  for (size_t topic = 0; topic < 64; ++topic) {
    double expected = 5000 * weights[topic] / total;
    EXPECT_NEAR(counts[topic], expected, 5 * std::sqrt(expected)) << topic;
  }
  EXPECT_LT(same / pairs, 0.04);
}

/// Returns the mutual information of two numbers below 64 in bits, as counted.
double mutual_information(const std::vector<std::pair<uint32_t, uint32_t>>& pairs) {
  std::vector<double> both(64 * 64), one(64), other(64);
  auto count = static_cast<double>(pairs.size());
  for (auto [a, b] : pairs)
    both[a * 64 + b] += 1 / count, one[a] += 1 / count, other[b] += 1 / count;
  double bits = 0;
  for (size_t a = 0; a < 64; ++a)
    for (size_t b = 0; b < 64; ++b)
      if (double p = both[a * 64 + b]; p > 0) bits += p * std::log2(p / (one[a] * other[b]));
  return bits;
}

TEST(WorldDocuments, WritesTextsThatTellNothingOfTheVisualTopic) {
  WorldOptions options = with_images();
  Lexicon lexicon({}, 1);
  WorldDocuments catalogue(options, lexicon);
  std::vector<std::pair<uint32_t, uint32_t>> main, visual, shifted;
  for (uint32_t i = 0; i < 5000; ++i) {
    WorldDocuments::Texts texts = catalogue.texts(i);
    uint32_t guess =
        guess_topic(lexicon, options.topics,
                    texts.title + ' ' + texts.ocr + ' ' + texts.asr + ' ' + texts.cover_ocr);
    main.emplace_back(guess, catalogue.documents()[i].topics.topic(0));
    visual.emplace_back(guess, *catalogue.documents()[i].visual_topic);
    shifted.emplace_back(guess, *catalogue.documents()[(i + 1) % 5000].visual_topic);
  }
  EXPECT_GT(mutual_information(main), 4);
  // Counting alone finds information in 5000 pairs of anything: as much as where there is none.
  // What remains is that the visual topic is none of the texts'.
  EXPECT_NEAR(mutual_information(visual), mutual_information(shifted), 0.06);
}

TEST(Traffic, AsksInWordsOfTheTopic) {
  WorldOptions options;
  options.users = 50, options.events = 10000, options.topics = 32;
  Lexicon lexicon({.topics = options.topics}, 1);
  Traffic traffic(options, lexicon);
  int words = 0, topical = 0;
  for (int i = 0; i < 2000; ++i) {
    Search search = traffic.next();
    std::istringstream text(search.query);
    int length = 0;
    for (std::string word; text >> word; ++length)
      topical += lexicon.is_of_topic(word, search.topic);
    EXPECT_GE(length, 1);
    EXPECT_LE(length, 4);
    words += length;
  }
  EXPECT_GT(topical, words * 8 / 10);
  EXPECT_LT(topical, words);
}

TEST(Traffic, AsksMostlyForWhatTheUserLikes) {
  WorldOptions options;
  options.users = 50, options.events = 10000;
  Lexicon lexicon({.topics = options.topics}, 1);
  Traffic traffic(options, lexicon);
  int liked = 0;
  for (int i = 0; i < 2000; ++i) {
    Search search = traffic.next();
    const User& user = traffic.user(search.user);
    liked += user.interest.weight_of(search.topic) > 0 || user.passing_topic == search.topic;
  }
  EXPECT_GT(liked, 1300);
  EXPECT_LT(liked, 1900);
}

TEST(Traffic, LetsInterestsDriftSlowly) {
  WorldOptions options;
  options.users = 1, options.events = 100000;
  Lexicon lexicon({.topics = options.topics}, 1);
  Traffic traffic(options, lexicon);
  TopicMix start = traffic.user(0).interest;
  for (int i = 0; i < 20; ++i) traffic.next();
  EXPECT_GT(start.dot(traffic.user(0).interest), 0.3);
  for (int i = 0; i < 2000; ++i) traffic.next();
  EXPECT_LT(start.dot(traffic.user(0).interest), 0.9);
}

}  // namespace
}  // namespace lemur
