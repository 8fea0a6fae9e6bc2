// Who and what is scored: a candidate of a request with their places in the store.
#pragma once

#include <cstdint>
#include <span>

#include "lemur/features/schema.h"
#include "lemur/serving/rank_request.h"

namespace lemur {

/// A request's document and user with their places in the store.
struct Subject {
  const RankRequest* request = nullptr;
  const Candidate* candidate = nullptr;
  uint32_t user = kNone, document = kNone;
  std::span<const float> match =
      {};  ///< numbers of text match, TextMatcher's; where they are asked for
};

/// Returns what the subject gives for a feature: of the candidate, else of the request; null where
/// neither does.
inline const FeatureValue* find_given(const Subject& subject, std::string_view name) {
  for (const FeatureValues* values : {&subject.candidate->features, &subject.request->features})
    if (const auto found = values->find(name); found != values->end()) return &found->second;
  return nullptr;
}

}  // namespace lemur
