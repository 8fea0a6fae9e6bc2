// A simulated world of short-video search: documents, users, queries and impressions whose click
// probability p* is known.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

namespace lemur {

/// Category fields of a world with interactions: their columns, and how many values each has.
inline constexpr std::array kUserFields = {"age_group", "region", "device", "occupation"};
inline constexpr std::array kDocumentFields = {"format", "duration", "style", "language"};
inline constexpr size_t kFieldValues = 8;
/// Values from 0.
using UserFields = std::array<uint8_t, kUserFields.size()>;
using DocumentFields = std::array<uint8_t, kDocumentFields.size()>;

/// What makes a click: p* = sigmoid(sum of the parts). 0 switches a part off.
struct ClickEffects {
  double intercept = -2.5;
  double match = 1.8;           ///< times the document's weight of the query's topic, 0 to 1
  double long_interest = 2.0;   ///< times dot product of the user's interests and its topics
  double short_interest = 0.9;  ///< times its weight of the user's passing topic
  double quality = 0.3;         ///< deviation of a document's own part, which no content shows
  double author = 0.4;          ///< deviation of an author's own part
  double position = -0.3;       ///< times log2(1 + position)
  double interactions = 1.1;    ///< deviation of the sum over pairs of fields; only with them
};

struct WorldOptions {
  int64_t documents = 20000;  ///< 1 to 2^32 - 1
  int64_t users = 5000;       ///< 1 to 2^32 - 1
  int64_t events = 300000;    ///< impressions; 0: documents only
  uint64_t seed = 1;
  int64_t topics = 64;           ///< latent topics, 1 to 65535
  int64_t categories = 16;       ///< coarse groups of topics, 1 to topics
  int64_t words_per_topic = 40;  ///< each with a synonym
  int64_t background_words = 3000;
  double title_words = 8;  ///< mean lengths of the text fields in words, 0 to 500
  double ocr_words = 14;
  double asr_words = 4;
  double cover_ocr_words = 3;
  double days = 30;                ///< time span of the log
  double initial_documents = 0.3;  ///< share of documents born in the 30 days before the log
  bool images = false;  ///< a document has one topic more, which only its cover shows; 4 topics up
  double visual_share = 0.5;  ///< squared weight of that topic among the document's, 0.01 to 0.99
  bool interactions = false;  ///< fields of users and documents, and the hour, move clicks by pairs
  /// 64 impressions a request, of which some 1.5 % are clicked, as on a page of links; not with
  /// images.
  bool sparse = false;
  ClickEffects click;
  int64_t threads = 0;  ///< that draw and write covers; 0: one for each core
};

/// Shares of the variance of p*'s logit: covariance of the part with the logit, over the logit's
/// variance. They sum to 1.
struct VarianceShares {
  double match = 0, long_interest = 0, short_interest = 0, quality = 0, author = 0, position = 0,
         interactions = 0;
};

/// Fewest and most impressions of a request.
struct Shown {
  int64_t fewest, most;
};
inline constexpr int64_t kMostPositions = 12;  // of a request that is not sparse
constexpr Shown shown_of(const WorldOptions& options) {
  return options.sparse ? Shown{64, 64} : Shown{6, kMostPositions};
}

struct WorldSummary {
  int64_t documents = 0, users = 0, events = 0, requests = 0, queries = 0, clicks = 0;
  double click_rate = 0;       ///< clicks over events; 0 without events
  double mean_p_star = 0;      ///< likewise
  double auc_of_p_star = 0.5;  ///< against the labels, all events; 0.5 where a label is missing
  double auc_of_p_star_last = 0.5;            ///< of the last tenth of the events: the split 'test'
  double auc_of_p_star_without_images = 0.5;  ///< likewise, of p* as expected without the covers
  double auc_of_p_star_without_images_last = 0.5;
  VarianceShares shares;
};

/// One row of documents.parquet. Views live as long as the call that gets them.
struct DocumentRow {
  int64_t document;
  std::string_view title, ocr, asr, cover_ocr;
  int64_t author;
  std::string_view category;
  int64_t created_ms;
  std::string_view cover;                ///< path of its file, empty for none; only with images
  std::optional<uint32_t> visual_topic;  ///< what the cover is to show; in no file
  DocumentFields fields;                 ///< only with interactions
};

/// One row of events.parquet.
struct EventRow {
  int64_t time_ms, request, user;
  std::string_view query;
  int64_t document, label, position;
  double p_star;
  double p_star_without_images;  ///< expected p* where covers are not seen; p* without images
  UserFields fields;             ///< only with interactions, as the hour (UTC)
  int64_t hour;
};

/// One row of queries.parquet: all that was typed, also what was reformulated before any document
/// was looked at.
struct QueryRow {
  int64_t user;
  std::string_view query;
  int64_t time_ms;
};

/// Takes the rows of a world: all documents in the order of their birth, then events and queries
/// in the order of time.
struct WorldSink {
  std::function<void(const DocumentRow&)> document;
  std::function<void(const EventRow&)> event;
  std::function<void(const QueryRow&)> query;
};

/// Throws InvalidArgument naming an option out of range.
void check(const WorldOptions& options);

using WorldProgress = std::function<void(int64_t done, int64_t total)>;

/// Simulates and hands the rows to `sink`. The same options give the same rows. Memory grows with
/// documents and users, not with events. Throws InvalidArgument naming an option out of range.
WorldSummary simulate(const WorldOptions& options, const WorldSink& sink,
                      const WorldProgress& progress = {});

/// Simulates into the folder `out` (created): documents.parquet, events.parquet, queries.parquet,
/// summary.json, with images covers/, and, last, the configuration world.toml. Older files of these
/// names are replaced; of covers/, those that the new world has too.
/// `progress`, which may be empty, gets events done and in all. Throws DataError when a file cannot
/// be written.
WorldSummary simulate(const WorldOptions& options, const std::filesystem::path& out,
                      const WorldProgress& progress = {});

}  // namespace lemur
