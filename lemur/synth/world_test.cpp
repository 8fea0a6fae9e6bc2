#include "lemur/synth/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "lemur/base/error.h"
#include "lemur/synth/world_documents.h"

namespace lemur {
namespace {

struct Event {
  int64_t time_ms, request, user, document, label, position;
  std::string query;
  double p_star, p_star_without_images;
  bool operator==(const Event&) const = default;
};
struct Query {
  int64_t user, time_ms;
  std::string query;
  bool operator==(const Query&) const = default;
};
struct Doc {
  std::string title, ocr, asr, cover_ocr, category, cover;
  int64_t document, author, created_ms;
  bool operator==(const Doc&) const = default;
};
struct Rows {
  std::vector<Doc> documents;
  std::vector<Event> events;
  std::vector<Query> queries;
  WorldSummary summary;
};

Rows run(const WorldOptions& options) {
  Rows rows;
  WorldSink sink{.document =
                     [&](const DocumentRow& row) {
                       rows.documents.push_back({std::string(row.title), std::string(row.ocr),
                                                 std::string(row.asr), std::string(row.cover_ocr),
                                                 std::string(row.category), std::string(row.cover),
                                                 row.document, row.author, row.created_ms});
                     },
                 .event =
                     [&](const EventRow& row) {
                       rows.events.push_back({row.time_ms, row.request, row.user, row.document,
                                              row.label, row.position, std::string(row.query),
                                              row.p_star, row.p_star_without_images});
                     },
                 .query =
                     [&](const QueryRow& row) {
                       rows.queries.push_back({row.user, row.time_ms, std::string(row.query)});
                     }};
  rows.summary = simulate(options, sink);
  return rows;
}

WorldOptions small() {
  WorldOptions options;
  options.documents = 2000, options.users = 300, options.events = 30000;
  return options;
}

const Rows& small_world() {
  static const Rows rows = run(small());
  return rows;
}

const Rows& world_with_images() {
  static const Rows rows = [] {
    WorldOptions options = small();
    options.documents = 5000, options.events = 60000;
    options.images = true;
    return run(options);
  }();
  return rows;
}

const Rows& world_with_interactions() {
  static const Rows rows = [] {
    WorldOptions options = small();
    options.interactions = true;
    return run(options);
  }();
  return rows;
}

double exact_auc(std::vector<std::pair<double, int64_t>> scored) {
  std::sort(scored.begin(), scored.end());
  double negatives = 0, positives = 0, won = 0;
  for (auto [score, label] : scored) {
    if (label == 1) ++positives, won += negatives;
    if (label == 0) ++negatives;
  }
  return won / positives / negatives;
}

TEST(World, IsTheSameForTheSameOptionsAndAnotherForAnotherSeed) {
  WorldOptions options = small();
  options.documents = 500, options.events = 5000;
  Rows first = run(options), second = run(options);
  EXPECT_EQ(first.documents, second.documents);
  EXPECT_EQ(first.events, second.events);
  EXPECT_EQ(first.queries, second.queries);
  options.seed = 2;
  Rows other = run(options);
  EXPECT_NE(first.documents[0].title, other.documents[0].title);
  EXPECT_NE(first.events, other.events);
}

TEST(World, ReportsProgressUpToTheEnd) {
  WorldOptions options = small();
  std::vector<int64_t> done;
  WorldSink nothing{[](auto&) {}, [](auto&) {}, [](auto&) {}};
  simulate(options, nothing, [&](int64_t now, int64_t total) {
    EXPECT_EQ(total, options.events);
    done.push_back(now);
  });
  ASSERT_GE(done.size(), 3u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), options.events);
}

TEST(World, GivesWhatWasAskedForAtAnySize) {
  for (int64_t documents : {1, 31, 32, 33})
    for (int64_t events : {0, 1, 31, 32, 33}) {
      WorldOptions options;
      options.documents = documents, options.users = documents, options.events = events;
      Rows rows = run(options);
      EXPECT_EQ(rows.documents.size(), static_cast<size_t>(documents));
      EXPECT_EQ(rows.events.size(), static_cast<size_t>(events));
      EXPECT_EQ(rows.summary.events, events);
      EXPECT_EQ(rows.summary.queries, static_cast<int64_t>(rows.queries.size()));
    }
  WorldOptions nothing;
  nothing.events = 0;
  WorldSummary summary = run(nothing).summary;
  EXPECT_EQ(summary.click_rate, 0);
  EXPECT_EQ(summary.auc_of_p_star, 0.5);
}

TEST(World, RefusesOptionsOutOfRangeByName) {
  auto message = [](WorldOptions options) -> std::string {
    try {
      run(options);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  };
  WorldOptions options;
  options.documents = 0;
  EXPECT_EQ(message(options), "[synth] documents = 0; expected 1 to 4294967295");
  options = {};
  options.users = -1;
  EXPECT_NE(message(options).find("users = -1"), std::string::npos);
  options = {};
  options.topics = 4;
  EXPECT_EQ(message(options), "[synth] categories = 16; expected 1 to 4");
  options = {};
  options.topics = 3, options.categories = 1, options.images = true;
  EXPECT_EQ(message(options), "[synth] topics = 3; expected 4 to 65535");
  options = {};
  options.visual_share = 1;
  EXPECT_EQ(message(options), "[synth] visual_share = 1; expected 0.01 to 0.99");
  options = {};
  options.days = std::nan("");
  EXPECT_NE(message(options).find("days = nan"), std::string::npos);
}

TEST(World, CountsItsClicksAndMeasuresTheAucOfPStar) {
  const Rows& rows = small_world();
  double clicks = 0, sum = 0, variance = 0;
  std::vector<std::pair<double, int64_t>> scored;
  for (const Event& event : rows.events) {
    ASSERT_TRUE(event.label == 0 || event.label == 1);
    ASSERT_GT(event.p_star, 0);
    ASSERT_LT(event.p_star, 1);
    clicks += static_cast<double>(event.label);
    sum += event.p_star, variance += event.p_star * (1 - event.p_star);
    scored.emplace_back(event.p_star, event.label);
  }
  EXPECT_EQ(static_cast<double>(rows.summary.clicks), clicks);
  EXPECT_NEAR(clicks, sum, 4 * std::sqrt(variance));
  EXPECT_NEAR(rows.summary.mean_p_star * 30000, sum, 1e-6);
  EXPECT_NEAR(rows.summary.auc_of_p_star, exact_auc(scored), 1e-4);
  scored.erase(scored.begin(), scored.end() - 3000);
  EXPECT_NEAR(rows.summary.auc_of_p_star_last, exact_auc(scored), 1e-4);
}

/// Returns chi-square of the clicks in the deciles of a probability: 10 degrees of freedom.
double chi_square(std::vector<std::pair<double, int64_t>> scored) {
  std::sort(scored.begin(), scored.end());
  double sum = 0;
  for (size_t decile = 0; decile < 10; ++decile) {
    double expected = 0, variance = 0, clicks = 0;
    for (size_t i = decile * scored.size() / 10; i < (decile + 1) * scored.size() / 10; ++i) {
      expected += scored[i].first, variance += scored[i].first * (1 - scored[i].first);
      clicks += static_cast<double>(scored[i].second);
    }
    sum += (clicks - expected) * (clicks - expected) / variance;
  }
  return sum;
}

TEST(World, DrawsClicksWithTheirKnownProbability) {
  for (const Rows* rows : {&small_world(), &world_with_images(), &world_with_interactions()}) {
    std::vector<std::pair<double, int64_t>> scored;
    for (const Event& event : rows->events) scored.emplace_back(event.p_star, event.label);
    EXPECT_LT(chi_square(scored), 29.6);  // 0.999
  }
}

TEST(World, KnowsTheProbabilityWithoutImagesToo) {
  std::vector<std::pair<double, int64_t>> scored;
  for (const Event& event : world_with_images().events)
    scored.emplace_back(event.p_star_without_images, event.label);
  EXPECT_LT(chi_square(scored), 29.6);
  const WorldSummary& summary = world_with_images().summary;
  EXPECT_NEAR(summary.auc_of_p_star_without_images, exact_auc(scored), 1e-4);
  scored.erase(scored.begin(), scored.end() - 6000);
  EXPECT_NEAR(summary.auc_of_p_star_without_images_last, exact_auc(scored), 1e-4);
  for (const Event& event : small_world().events)
    ASSERT_EQ(event.p_star_without_images, event.p_star);
}

TEST(World, IsHarderToPredictWithoutImagesAndYetHarderWithoutTexts) {
  const Rows& rows = world_with_images();
  WorldOptions options = small();
  options.documents = 5000;
  Lexicon lexicon({}, options.seed);
  WorldDocuments catalogue(options, lexicon);
  std::vector<std::pair<double, int64_t>> without_topics;
  for (const Event& event : rows.events) {
    const Document& document = catalogue.documents()[static_cast<size_t>(event.document)];
    without_topics.emplace_back(
        options.click.quality * document.quality +
            options.click.author * catalogue.appeal(document.author) +
            options.click.position * std::log2(1 + static_cast<double>(event.position)),
        event.label);
  }
  double without_images = rows.summary.auc_of_p_star_without_images;
  EXPECT_GT(rows.summary.auc_of_p_star, without_images + 0.02);
  EXPECT_GT(without_images, exact_auc(without_topics) + 0.05);
}

TEST(World, GivesNearlyEveryDocumentACover) {
  const Rows& rows = world_with_images();
  double without = 0;
  for (const Doc& document : rows.documents) {
    if (document.cover.empty())
      ++without;
    else
      EXPECT_EQ(document.cover,
                fmt::format("covers/{:03}/{}.jpg", document.document / 1000, document.document));
  }
  EXPECT_NEAR(without / 5000, 0.03, 0.01);
  for (const Doc& document : small_world().documents) EXPECT_EQ(document.cover, "");
}

/// Returns a hash of all rows but for the last digits of p*.
uint64_t fingerprint(const Rows& rows) {
  std::string all;
  for (const Doc& d : rows.documents)
    all += fmt::format("{}|{}|{}|{}|{}|{}|{}|{}\n", d.document, d.title, d.ocr, d.asr, d.cover_ocr,
                       d.author, d.category, d.created_ms);
  for (const Event& e : rows.events)
    all += fmt::format("{}|{}|{}|{}|{}|{}|{}|{:.9f}\n", e.time_ms, e.request, e.user, e.query,
                       e.document, e.label, e.position, e.p_star);
  for (const Query& q : rows.queries) all += fmt::format("{}|{}|{}\n", q.user, q.query, q.time_ms);
  return hash_bytes(all);
}

TEST(World, StaysTheSameWithoutImagesFromVersionToVersion) {
  EXPECT_EQ(fingerprint(small_world()), 25393367346786541u);
}

TEST(World, IsCalibratedToBeLearnable) {
  const WorldSummary& summary = small_world().summary;
  EXPECT_GT(summary.click_rate, 0.15);
  EXPECT_LT(summary.click_rate, 0.3);
  EXPECT_GT(summary.auc_of_p_star, 0.78);
  EXPECT_LT(summary.auc_of_p_star, 0.85);
  const VarianceShares& shares = summary.shares;
  EXPECT_NEAR(shares.match + shares.long_interest + shares.short_interest + shares.quality +
                  shares.author + shares.position,
              1, 1e-9);
  EXPECT_GT(shares.match, 0.4);
  EXPECT_GT(shares.long_interest + shares.short_interest, 0.1);
  EXPECT_GT(shares.position, 0.02);
  EXPECT_GT(shares.quality, 0.02);
  EXPECT_LT(shares.quality, 0.1);
}

TEST(World, HasTheSameDocumentsAndFirstRequestWithInteractionsButOtherClicks) {
  const Rows &plain = small_world(), &rows = world_with_interactions();
  EXPECT_EQ(rows.documents, plain.documents);
  EXPECT_EQ(rows.events[0].document, plain.events[0].document);
  EXPECT_NE(rows.events[0].p_star, plain.events[0].p_star);
  EXPECT_EQ(plain.summary.shares.interactions, 0);
  EXPECT_GT(rows.summary.shares.interactions, 0.15);
  EXPECT_LT(rows.summary.shares.interactions, 0.5);
  EXPECT_LT(rows.summary.click_rate, 0.35);
  EXPECT_LT(rows.summary.auc_of_p_star, 0.9);
}

TEST(World, ShowsNoDocumentBeforeItsBirthAndKeepsTheOrderOfTime) {
  const Rows& rows = small_world();
  for (size_t i = 0; i < rows.documents.size(); ++i) {
    EXPECT_EQ(rows.documents[i].document, static_cast<int64_t>(i));
    if (i > 0) {
      EXPECT_LE(rows.documents[i - 1].created_ms, rows.documents[i].created_ms);
    }
  }
  int64_t last = 0;
  for (const Event& event : rows.events) {
    EXPECT_GE(event.time_ms, last);
    last = event.time_ms;
    EXPECT_LE(rows.documents[static_cast<size_t>(event.document)].created_ms, event.time_ms);
  }
  for (size_t i = 1; i < rows.queries.size(); ++i)
    EXPECT_LE(rows.queries[i - 1].time_ms, rows.queries[i].time_ms);
}

TEST(World, ShowsNewDocumentsAllTheTimeForTheSpanOfTheLog) {
  const Rows& rows = small_world();
  double days = static_cast<double>(rows.events.back().time_ms - rows.events.front().time_ms);
  EXPECT_NEAR(days / kDayMs, 30, 3);
  std::set<int64_t> seen;
  for (size_t tenth = 0; tenth < 10; ++tenth) {
    size_t fresh = 0;
    for (size_t i = tenth * 3000; i < (tenth + 1) * 3000; ++i)
      fresh += seen.insert(rows.events[i].document).second;
    EXPECT_GT(fresh, 50u) << tenth;
  }
  EXPECT_GT(seen.size(), 1600u);
}

TEST(World, NumbersThePositionsOfARequestFromZero) {
  const Rows& rows = small_world();
  for (size_t begin = 0, end; begin < rows.events.size(); begin = end) {
    const Event& first = rows.events[begin];
    std::set<int64_t> documents;
    for (end = begin; end < rows.events.size() && rows.events[end].request == first.request;
         ++end) {
      const Event& event = rows.events[end];
      EXPECT_EQ(event.position, static_cast<int64_t>(end - begin));
      EXPECT_EQ(event.user, first.user);
      EXPECT_EQ(event.query, first.query);
      EXPECT_EQ(event.time_ms, first.time_ms);
      EXPECT_TRUE(documents.insert(event.document).second);
    }
    EXPECT_LE(end - begin, 12u);
    if (end < rows.events.size()) {
      EXPECT_GE(end - begin, 6u);
      EXPECT_EQ(rows.events[end].request, first.request + 1);
    }
  }
}

TEST(World, LogsEveryQueryShownAndReformulationsBesides) {
  const Rows& rows = small_world();
  std::set<std::tuple<int64_t, int64_t, std::string>> logged;
  for (const Query& query : rows.queries) logged.insert({query.user, query.time_ms, query.query});
  for (const Event& event : rows.events)
    ASSERT_TRUE(logged.contains({event.user, event.time_ms, event.query}));
  EXPECT_GT(rows.queries.size(), static_cast<size_t>(rows.summary.requests));
  std::map<int64_t, const Query*> previous;
  int reformulated = 0;
  for (const Query& query : rows.queries) {
    const Query*& before = previous[query.user];
    if (before != nullptr && query.time_ms - before->time_ms < 600000)
      reformulated += query.query != before->query;
    before = &query;
  }
  EXPECT_GT(reformulated, static_cast<int>(rows.queries.size() / 10));
}

TEST(World, ClicksMoreOnTopAndWhereWordsAreShared) {
  const Rows& rows = small_world();
  std::array<double, 2> shown_at{}, clicked_at{}, shown{}, clicked{};
  for (const Event& event : rows.events) {
    const Doc& document = rows.documents[static_cast<size_t>(event.document)];
    std::string text = ' ' + document.title + ' ' + document.ocr + ' ';
    std::istringstream words(event.query);
    bool shares = false;
    for (std::string word; words >> word;)
      shares |= text.find(' ' + word + ' ') != std::string::npos;
    ++shown[shares], clicked[shares] += static_cast<double>(event.label);
    bool top = event.position < 2;
    ++shown_at[top], clicked_at[top] += static_cast<double>(event.label);
  }
  EXPECT_GT(clicked[1] / shown[1], 1.5 * clicked[0] / shown[0]);
  EXPECT_GT(clicked_at[1] / shown_at[1], 1.3 * clicked_at[0] / shown_at[0]);
  // Synonyms and few words: most clicks come without a shared word.
  EXPECT_GT(clicked[0], clicked[1] * 0.5);
}

}  // namespace
}  // namespace lemur
