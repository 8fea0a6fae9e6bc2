// Scores a batch of requests with one version of the model.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/model/ranking_model.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/content_reader.h"
#include "lemur/serving/feature_reader.h"
#include "lemur/serving/live_past.h"
#include "lemur/serving/rank_request.h"
#include "lemur/serving/ranking_backend.h"
#include "lemur/serving/serving_observer.h"
#include "lemur/serving/snapshot.h"

namespace lemur {

/// A score is no finite number.
class NotFinite : public Error {
 public:
  NotFinite(size_t document_index, const std::string& message)
      : Error(message), document(document_index) {}
  const size_t document;  ///< of the request
};

/// Every request's user side (histories, query) is prepared once, all candidates of all requests
/// are scored in one pass. The scores of a request are the same bit for bit whatever requests it is
/// scored with. Holds scratch memory: one per thread. What it is given must outlive it.
class Scorer {
 public:
  Scorer(const Catalogue& catalogue, const LivePast& past, int64_t max_encoded,
         RecentContent& recent, ServingObserver& observer);

  /// Returns the answers in the order of the requests, without their times in the queue. Throws
  /// InvalidArgument where a request names what does not exist, NotFinite where a score is no
  /// finite number.
  std::vector<RankAnswer> rank(Snapshot& snapshot, std::span<const RankRequest* const> requests);

  /// Encodes for a snapshot that is new what requests made others encode of late.
  void encode_recent(Snapshot& snapshot);

  /// Returns the vector of a query or a document.
  EmbedResult embed(Snapshot& snapshot, const EmbedRequest& request);

 private:
  using PerRequest = std::vector<std::vector<HistoryElement>>;
  /// The requests as the model reads them.
  struct Prepared {
    RankingInput input;
    std::vector<int64_t> begin;               ///< [n + 1] first candidate of each
    std::vector<ContentSubject> subjects;     ///< [B]
    PerRequest content;                       ///< per request: what `input` reads
    std::vector<torch::Tensor> content_rows;  ///< per request: rows of history_content
  };
  /// What the ranker read, and what it said [B, labels].
  struct Scored {
    RankerInput input;
    torch::Tensor logits;
  };
  Prepared prepare(Snapshot& snapshot, std::span<const RankRequest* const> requests);
  void read_features(Snapshot& snapshot, std::span<const RankRequest* const> requests,
                     Prepared& prepared, std::span<const uint64_t> history_keys);
  std::vector<float> match_texts(std::span<const RankRequest* const> requests,
                                 const Prepared& prepared);
  std::vector<PerRequest> collect_histories(std::span<const RankRequest* const> requests) const;
  void encode_missing(Snapshot& snapshot, const std::vector<PerRequest>& all,
                      std::span<const int32_t> rows);
  std::vector<uint64_t> read_histories(Snapshot& snapshot,
                                       std::span<const RankRequest* const> requests,
                                       Prepared& prepared);
  static RankAnswer make_answer(const Prepared& prepared, size_t request,
                                const torch::Tensor& scores);
  void explain(Snapshot& snapshot, const Prepared& prepared, const Scored& scored, size_t request,
               RankAnswer& answer) const;

  const Catalogue& catalogue_;
  const UserHistories& histories_;
  ServingObserver& observer_;
  FeatureReader features_;
  ContentReader content_;
};

}  // namespace lemur
