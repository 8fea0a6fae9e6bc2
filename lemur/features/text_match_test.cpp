#include "lemur/features/text_match.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>

namespace lemur {
namespace {

/// A vocabulary of letters and some words, and texts as pieces of it.
struct World {
  std::vector<std::string> pieces = {"[PAD]", "[UNK]", "red", "shoe", "##s", "blue", "running",
                                     "for",   "men",   "run", "a",    "##b", "ß",    "##ücher"};
  StoreSchema schema;
  std::vector<uint64_t> keys;
  std::vector<uint32_t> documents;

  explicit World(size_t fields = 1, std::map<std::string, uint32_t> documents_of = {}) {
    StoreSchema::Match match{.mean_words = {4}, .num_documents = 100};
    for (size_t f = 0; f < fields; ++f) {
      schema.text.push_back({f == 0 ? "title" : "body", 32});
      match.fields.push_back(f);
    }
    if (fields > 1) match.mean_words = {4, 4, 8};
    schema.matches.push_back(match);
    const auto names = match_names(schema, match);
    for (const std::string& name : names)
      schema.features.push_back({.name = name, .of = "cross", .is_number = true, .is_match = true});
    const WordPieces words(pieces);
    std::map<uint64_t, uint32_t> sorted;
    for (const auto& [word, count] : documents_of)
      words.for_each_word(text(word), [&](uint64_t key, size_t, size_t) { sorted[key] = count; });
    for (const auto& [key, count] : sorted) keys.push_back(key), documents.push_back(count);
  }

  /// Pieces of blank-separated pieces.
  std::vector<int32_t> text(const std::string& names) const {
    std::vector<int32_t> ids;
    for (size_t begin = 0; begin < names.size();) {
      const size_t end = std::min(names.find(' ', begin), names.size());
      const auto found = std::ranges::find(pieces, names.substr(begin, end - begin));
      EXPECT_NE(found, pieces.end()) << names.substr(begin, end - begin);
      ids.push_back(static_cast<int32_t>(found - pieces.begin()));
      begin = end + 1;
    }
    return ids;
  }

  std::map<std::string, double> match(const std::string& query,
                                      const std::vector<std::string>& texts) const {
    const TextMatcher matcher(pieces, schema, {keys, documents});
    TextMatcher::Query prepared;
    matcher.prepare(text(query), prepared);
    std::vector<std::vector<int32_t>> ids;
    for (const std::string& one : texts) ids.push_back(text(one));
    const std::vector<std::span<const int32_t>> spans(ids.begin(), ids.end());
    std::vector<double> values(matcher.num_values());
    matcher.match_raw(prepared, spans, values);
    std::map<std::string, double> named;
    for (size_t i = 0; i < values.size(); ++i) named[schema.features[i].name] = values[i];
    return named;
  }
};

double weight(double documents) { return std::log1p((100 - documents + 0.5) / (documents + 0.5)); }

TEST(TextMatch, IsWhatItsNamesSay) {
  const World world(1, {{"red", 10}, {"shoe ##s", 50}});
  const auto found = world.match("red shoe ##s for men", {"blue red shoe ##s red"});
  const double red = weight(10), shoes = weight(50), rare = weight(1);
  const double length = 1.2 * (1 - 0.75 + 0.75 * 4 / 4);  // four words, as many as the mean
  EXPECT_NEAR(found.at("bm25(title)"), red * 2 * 2.2 / (2 + length) + shoes * 2.2 / (1 + length),
              1e-12);
  EXPECT_NEAR(found.at("query_share(title)"), (red + shoes) / (red + shoes + 2 * rare), 1e-12);
  EXPECT_EQ(found.at("text_share(title)"), 3 / 4.0);
  EXPECT_EQ(found.at("phrase(title)"), 2 / 4.0);
  EXPECT_EQ(found.at("first(title)"), 1 / 2.0);
  EXPECT_EQ(found.at("prefix_share(title)"), 2 / 4.0);
  EXPECT_EQ(found.at("equal(title)"), 0);
  EXPECT_NEAR(found.at("length(title)"), std::log(5 / 5.0), 1e-12);
}

TEST(TextMatch, KnowsEqualTextsAndTextsWithoutAnyMatch) {
  const World world;
  const auto same = world.match("red shoe ##s", {"red shoe ##s"});
  for (const char* name : {"query_share(title)", "text_share(title)", "phrase(title)",
                           "first(title)", "prefix_share(title)", "equal(title)"})
    EXPECT_EQ(same.at(name), 1) << name;
  EXPECT_NEAR(same.at("ngrams(title)"), 1, 1e-12);
  for (const char* text : {"blue", "", "[UNK]"})
    for (const auto& [name, value] : world.match("red shoe ##s", {text})) {
      if (name.starts_with("length")) continue;
      EXPECT_EQ(value, 0) << name << " of '" << text << "'";
    }
  EXPECT_EQ(world.match("red", {"red red"}).at("equal(title)"), 0);
  EXPECT_EQ(world.match("red red", {"red"}).at("equal(title)"), 0);
}

TEST(TextMatch, IsMissingWithoutAQuery) {
  const World world(2);
  for (const char* query : {"", "[UNK]"})
    for (const auto& [name, value] : world.match(query, {"red", "blue"}))
      EXPECT_TRUE(std::isnan(value)) << name;
  const TextMatcher matcher(world.pieces, world.schema, {});
  TextMatcher::Query query;
  matcher.prepare({}, query);
  std::vector<float> values(matcher.num_values(), 7);
  const std::vector<std::span<const int32_t>> texts(2);
  matcher.match(query, texts, values);
  EXPECT_EQ(values, std::vector<float>(matcher.num_values()));
}

TEST(TextMatch, ComparesWordsByTheirCharactersHoweverTheyAreCut) {
  const World world;
  EXPECT_EQ(world.match("run", {"running"}).at("prefix_share(title)"), 1);
  EXPECT_EQ(world.match("running", {"run"}).at("prefix_share(title)"), 0) << "run is no runn";
  EXPECT_EQ(world.match("a ##b", {"a a ##b"}).at("query_share(title)"), 1);
  EXPECT_EQ(world.match("shoe", {"shoe ##s"}).at("query_share(title)"), 0);
  EXPECT_EQ(world.match("shoe ##s", {"shoe"}).at("prefix_share(title)"), 1);
  EXPECT_EQ(world.match("ß ##ücher", {"ß ##ücher"}).at("equal(title)"), 1);
}

TEST(TextMatch, FollowsPhrasesOverRepeatedWords) {
  const World world;
  EXPECT_EQ(world.match("red shoe red blue", {"red shoe red blue"}).at("phrase(title)"), 1);
  EXPECT_EQ(world.match("red shoe red blue", {"shoe red for red blue"}).at("phrase(title)"),
            2 / 4.0);
  EXPECT_EQ(world.match("red blue", {"red [UNK] blue"}).at("phrase(title)"), 1 / 2.0);
}

/// The n-grams of words, by sets.
std::multiset<std::u32string> grams_of(const std::vector<std::u32string>& words) {
  std::multiset<std::u32string> grams;
  for (const std::u32string& word : words) {
    const std::u32string framed = U" " + word + U" ";
    for (size_t n = 3; n <= 5; ++n)
      for (size_t i = 0; i + n <= framed.size(); ++i) grams.insert(framed.substr(i, n));
  }
  return grams;
}

TEST(TextMatch, CountsGramsAsSetsDo) {
  const World world;
  const auto query = grams_of({U"shoes", U"for"}),
             text = grams_of({U"blue", U"shoe", U"for", U"shoe"});
  const std::set<std::u32string> distinct(query.begin(), query.end());
  const auto matched =
      std::ranges::count_if(distinct, [&](const auto& g) { return text.contains(g); });
  EXPECT_NEAR(world.match("shoe ##s for", {"blue shoe for shoe"}).at("ngrams(title)"),
              static_cast<double>(matched) / std::sqrt(static_cast<double>(distinct.size()) *
                                                       static_cast<double>(text.size())),
              1e-12);
}

TEST(TextMatch, PutsFieldsTogether) {
  const World world(2, {{"red", 10}});
  const auto found = world.match("red blue", {"red", "blue blue"});
  EXPECT_EQ(found.at("query_share(title + body)"), 1);
  EXPECT_LT(found.at("query_share(title)"), 1);
  const double length = 1.2 * (1 - 0.75 + 0.75 * 3 / 8);
  EXPECT_NEAR(found.at("bm25(title + body)"),
              weight(10) * 2.2 / (1 + length) + weight(1) * 2 * 2.2 / (2 + length), 1e-12);
  EXPECT_EQ(found.size(), 2 * kMatchNames.size() + kJointMatchNames.size());
}

TEST(TextMatch, DoesNotDependOnWhatTheQueryWasMatchedWithBefore) {
  const World world(2);
  const TextMatcher matcher(world.pieces, world.schema, {});
  std::mt19937 random(5);
  const auto draw = [&] {
    std::vector<int32_t> ids(random() % 12);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % world.pieces.size());
    return ids;
  };
  TextMatcher::Query used;
  std::vector<double> first(matcher.num_values()), second(matcher.num_values());
  for (int round = 0; round < 200; ++round) {
    const std::vector<int32_t> query = draw();
    matcher.prepare(query, used);
    for (int text = 0; text < 5; ++text) {
      const std::vector<int32_t> title = draw(), body = draw();
      const std::vector<std::span<const int32_t>> texts = {title, body};
      TextMatcher::Query fresh;
      matcher.prepare(query, fresh);
      matcher.match_raw(used, texts, first);
      matcher.match_raw(fresh, texts, second);
      for (size_t i = 0; i < first.size(); ++i)
        ASSERT_TRUE(first[i] == second[i] || std::isnan(first[i])) << i;
    }
  }
}

TEST(TextMatch, TakesTheFirst64WordsOfLongQueries) {
  const World world;
  std::string query = "red";
  for (int i = 0; i < 200; ++i) query += " blue";
  query += " men";
  EXPECT_GT(world.match(query, {"red"}).at("query_share(title)"), 0);
  EXPECT_EQ(world.match(query, {"men"}).at("query_share(title)"), 0);
}

TEST(TextMatch, HoldsAWordOfAnyLength) {
  World world;
  std::mt19937 random(3);
  std::string& word = world.pieces.emplace_back();
  for (int i = 0; i < 20000; ++i) word += static_cast<char>('a' + random() % 26);
  const auto found = world.match(word, {word});
  EXPECT_EQ(found.at("equal(title)"), 1);
  EXPECT_GT(found.at("ngrams(title)"), 0);
  EXPECT_LE(found.at("ngrams(title)"), 1);
}

}  // namespace
}  // namespace lemur
