#include "lemur/synth/catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>
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

TEST(Catalogue, WritesTextsThatTellTheMainTopic) {
  WorldOptions options;
  options.documents = 300, options.topics = 32;
  Lexicon lexicon({.topics = options.topics}, 1);
  Catalogue catalogue(options, lexicon);
  int right = 0;
  for (uint32_t i = 0; i < 300; ++i) {
    Catalogue::Texts texts = catalogue.texts(i);
    EXPECT_EQ(texts.ocr, catalogue.texts(i).ocr);
    uint32_t guess =
        guess_topic(lexicon, options.topics,
                    texts.title + ' ' + texts.ocr + ' ' + texts.asr + ' ' + texts.cover_ocr);
    right += guess == catalogue.documents()[i].topics.topic(0);
  }
  EXPECT_GT(right, 270);
  EXPECT_LT(right, 300);
}

TEST(Catalogue, KeepsTheMeanLengthsOfTheFields) {
  WorldOptions options;
  options.documents = 3000, options.topics = 16;
  options.asr_words = 0;
  Lexicon lexicon({.topics = options.topics}, 1);
  Catalogue catalogue(options, lexicon);
  double title = 0, ocr = 0;
  auto words = [](const std::string& text) {
    return text.empty() ? 0 : 1 + std::count(text.begin(), text.end(), ' ');
  };
  for (uint32_t i = 0; i < 3000; ++i) {
    Catalogue::Texts texts = catalogue.texts(i);
    title += static_cast<double>(words(texts.title)), ocr += static_cast<double>(words(texts.ocr));
    EXPECT_EQ(texts.asr, "");
  }
  EXPECT_NEAR(title / 3000, 8, 0.3);
  EXPECT_NEAR(ocr / 3000, 14, 0.4);
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
