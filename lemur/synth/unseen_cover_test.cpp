#include "lemur/synth/unseen_cover.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lemur/synth/click_model.h"

namespace lemur {
namespace {

/// Calls visit(impression, logit, expected p*) for impressions of a world with images.
template <typename Visit>
void watch(const WorldOptions& options, const Visit& visit) {
  Lexicon lexicon({.topics = options.topics}, options.seed);
  WorldDocuments catalogue(options, lexicon);
  Traffic traffic(options, lexicon);
  Exposure exposure(options, catalogue);
  UnseenCover unseen(options, catalogue, exposure);
  Random clicks(options.seed, 1);
  for (int64_t left = options.events; left > 0;) {
    Search search = traffic.next();
    const User& user = traffic.user(search.user);
    int64_t position = 0;
    for (uint32_t document : exposure.show(search, user)) {
      ImpressionView shown{search, user, document, position++};
      double logit =
          options.click.intercept +
          click_parts(options.click, catalogue, search, user, document, shown.position, 0).sum();
      double expected = unseen.expected_p_star(shown, logit);
      unseen.count(shown);
      visit(shown, catalogue.documents()[document], logit, expected);
      if (clicks.chance(1 / (1 + std::exp(-logit)))) exposure.clicked(document);
      --left;
    }
  }
}

WorldOptions covered_images() {
  WorldOptions options;
  options.documents = 5000, options.users = 300, options.events = 100000;
  options.images = true;
  return options;
}

TEST(UnseenCover, IsCalibratedWhereTextsMatchTheQueryAndWhereNotOnEveryHeight) {
  struct Sums {
    double p_star = 0, expected = 0;
  };
  std::array<std::array<Sums, 3>, 2> sums{};
  watch(covered_images(),
        [&](const ImpressionView& shown, const Document& document, double logit, double expected) {
          uint32_t wanted = shown.search.topic;
          bool matches = wanted != document.visual_topic && document.topics.weight_of(wanted) > 0;
          Sums& cell = sums[matches][static_cast<size_t>(shown.position / 4)];
          cell.p_star += 1 / (1 + std::exp(-logit)), cell.expected += expected;
        });
  for (const auto& heights : sums)
    for (const Sums& cell : heights) EXPECT_NEAR(cell.expected / cell.p_star, 1, 0.05);
}

TEST(UnseenCover, KnowsMostWhereTheTextsMatchAlready) {
  std::array<double, 2> squares{}, counts{};
  watch(covered_images(),
        [&](const ImpressionView& shown, const Document& document, double logit, double expected) {
          uint32_t wanted = shown.search.topic;
          bool matches = wanted != document.visual_topic && document.topics.weight_of(wanted) > 0;
          double miss = 1 / (1 + std::exp(-logit)) - expected;
          squares[matches] += miss * miss, ++counts[matches];
        });
  EXPECT_LT(squares[1] / counts[1], 0.5 * squares[0] / counts[0]);
}

TEST(UnseenCover, GivesPStarItselfWhereTopicsHaveNoEffect) {
  WorldOptions options = covered_images();
  options.documents = 33, options.events = 1000;
  options.click = {.match = 0, .long_interest = 0, .short_interest = 0};
  watch(options, [&](const ImpressionView&, const Document&, double logit, double expected) {
    EXPECT_NEAR(expected, 1 / (1 + std::exp(-logit)), 1e-12);
  });
}

}  // namespace
}  // namespace lemur
