#include "lemur/synth/world.h"

#include <cmath>
#include <memory>
#include <optional>

#include "lemur/base/error.h"
#include "lemur/synth/click_model.h"
#include "lemur/synth/covers.h"
#include "lemur/synth/exposure.h"
#include "lemur/synth/interactions.h"
#include "lemur/synth/traffic.h"
#include "lemur/synth/unseen_cover.h"
#include "lemur/synth/words.h"
#include "lemur/synth/world_documents.h"

namespace lemur {
namespace {

constexpr int64_t kEventsPerReport = 10000;
constexpr double kSparse = -2.6;  // added to the intercept of a sparse world

void require_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high))
    fail<InvalidArgument>("synth", "{} = {}; expected {} to {}", name, value, low, high);
}

void hand_over(const WorldDocuments& catalogue, const Interactions* interactions, uint32_t d,
               const WorldSink& sink) {
  const Document& document = catalogue.documents()[d];
  WorldDocuments::Texts texts = catalogue.texts(d);
  sink.document({d, texts.title, texts.ocr, texts.asr, texts.cover_ocr, document.author,
                 fmt::format("category{}", catalogue.category(d)), document.created_ms,
                 catalogue.has_cover(d) ? cover_path(d) : "", document.visual_topic,
                 interactions ? interactions->of_document(d) : DocumentFields{}});
}

/// Draws the clicks of what is shown and keeps the statistics.
class Simulation {
 public:
  Simulation(const WorldOptions& options, const WorldSink& sink, const WorldDocuments& catalogue,
             const Interactions* interactions, const Lexicon& lexicon)
      : options_(options),
        sink_(sink),
        catalogue_(catalogue),
        interactions_(interactions),
        traffic_(options, lexicon),
        exposure_(options, catalogue),
        random_(options.seed, hash_bytes("clicks")) {
    if (options.images) unseen_cover_.emplace(options, catalogue, exposure_);
  }

  WorldSummary run(const WorldProgress& progress) {
    while (summary_.events < options_.events) {
      Search search = traffic_.next();
      ++summary_.queries;
      if (sink_.query) sink_.query({search.user, search.query, search.time_ms});
      if (search.abandoned) continue;
      int64_t before = summary_.events;
      show(search);
      if (progress && summary_.events / kEventsPerReport != before / kEventsPerReport)
        progress(summary_.events, options_.events);
    }
    if (summary_.events > 0) {
      summary_.click_rate =
          static_cast<double>(summary_.clicks) / static_cast<double>(summary_.events);
      summary_.mean_p_star = p_star_sum_ / static_cast<double>(summary_.events);
    }
    summary_.auc_of_p_star = all_.auc();
    summary_.auc_of_p_star_last = last_.auc();
    summary_.auc_of_p_star_without_images = all_without_images_.auc();
    summary_.auc_of_p_star_without_images_last = last_without_images_.auc();
    summary_.shares = shares_.shares();
    return summary_;
  }

 private:
  void show(const Search& search) {
    const User& user = traffic_.user(search.user);
    const std::vector<uint32_t>& shown = exposure_.show(search, user);
    int64_t request = summary_.requests++;
    for (size_t position = 0; position < shown.size() && summary_.events < options_.events;
         ++position) {
      ClickParts parts = click_parts(
          options_.click, catalogue_, search, user, shown[position], static_cast<int64_t>(position),
          interactions_ ? interactions_->effect(search.user, search.time_ms, shown[position]) : 0);
      double logit = options_.click.intercept + (options_.sparse ? kSparse : 0) + parts.sum();
      double p_star = 1 / (1 + std::exp(-logit));
      double without_images =
          unseen_cover_
              ? expect({search, user, shown[position], static_cast<int64_t>(position)}, logit)
              : p_star;
      bool click = random_.chance(p_star);
      if (sink_.event)
        sink_.event({search.time_ms, request, search.user, search.query, shown[position], click,
                     static_cast<int64_t>(position), p_star, without_images,
                     interactions_ ? interactions_->of_user(search.user) : UserFields{},
                     Interactions::hour(search.time_ms)});
      count(p_star, without_images, click);
      shares_.add(parts);
      if (click) exposure_.clicked(shown[position]);
    }
  }

  /// Returns p* as it is expected without the cover, which counts from then on.
  double expect(const ImpressionView& shown, double logit) {
    double expected = unseen_cover_->expected_p_star(shown, logit);
    unseen_cover_->count(shown);
    return expected;
  }

  void count(double p_star, double without_images, bool click) {
    bool is_last = 10 * summary_.events >= 9 * options_.events;
    all_.add(p_star, click);
    if (is_last) last_.add(p_star, click);
    if (unseen_cover_) {
      all_without_images_.add(without_images, click);
      if (is_last) last_without_images_.add(without_images, click);
    }
    p_star_sum_ += p_star;
    summary_.clicks += click;
    ++summary_.events;
  }

  const WorldOptions& options_;
  const WorldSink& sink_;
  const WorldDocuments& catalogue_;
  const Interactions* interactions_;  // null without
  Traffic traffic_;
  Exposure exposure_;
  std::optional<UnseenCover> unseen_cover_;  // only with images
  Random random_;
  ClickHistogram all_, last_, all_without_images_, last_without_images_;
  ShareCounter shares_;
  double p_star_sum_ = 0;
  WorldSummary summary_;
};

}  // namespace

void check(const WorldOptions& o) {
  constexpr double kMany = 4294967295.0;
  require_range("documents", static_cast<double>(o.documents), 1, kMany);
  require_range("users", static_cast<double>(o.users), 1, kMany);
  require_range("events", static_cast<double>(o.events), 0, 1e15);
  // With images a document has up to three topics in its texts and another one on its cover.
  require_range("topics", static_cast<double>(o.topics), o.images ? TopicMix::kMost : 1, 65535);
  require_range("categories", static_cast<double>(o.categories), 1, static_cast<double>(o.topics));
  require_range("words_per_topic", static_cast<double>(o.words_per_topic), 1, 1e6);
  require_range("background_words", static_cast<double>(o.background_words), 1, 1e8);
  require_range("title_words", o.title_words, 0, 500);
  require_range("ocr_words", o.ocr_words, 0, 500);
  require_range("asr_words", o.asr_words, 0, 500);
  require_range("cover_ocr_words", o.cover_ocr_words, 0, 500);
  require_range("days", o.days, 1e-3, 36500);
  require_range("initial_documents", o.initial_documents, 0, 1);
  require_range("visual_share", o.visual_share, 0.01, 0.99);
  if (o.sparse && o.images) fail<InvalidArgument>("synth", "a sparse world has no images");
  require_range("threads", static_cast<double>(o.threads), 0, 1024);
}

WorldSummary simulate(const WorldOptions& options, const WorldSink& sink,
                      const WorldProgress& progress) {
  check(options);
  Lexicon lexicon({.topics = options.topics,
                   .words_per_topic = options.words_per_topic,
                   .background_words = options.background_words},
                  options.seed);
  WorldDocuments catalogue(options, lexicon);
  std::unique_ptr<Interactions> interactions;
  if (options.interactions) interactions = std::make_unique<Interactions>(options);
  if (sink.document)
    for (uint32_t d = 0; d < catalogue.documents().size(); ++d)
      hand_over(catalogue, interactions.get(), d, sink);
  WorldSummary summary =
      Simulation(options, sink, catalogue, interactions.get(), lexicon).run(progress);
  summary.documents = options.documents;
  summary.users = options.users;
  return summary;
}

}  // namespace lemur
