// What a ranker reports of its work while it serves: no metrics library, no HTTP.
#pragma once

#include <cstdint>

namespace lemur {

/// Parts of a request's time.
enum class ServingStage { kQueue, kPrepare, kEncode, kScore };

/// How the bank answered for a document.
enum class BankLookup { kHit, kMiss, kUnknownDocument };

/// Told of every batch and lookup. The members do nothing here, so that an observer overrides what
/// it wants and a backend without one can use this class. Called from any thread; cheap.
class ServingObserver {
 public:
  virtual ~ServingObserver() = default;
  virtual void stage_took(ServingStage /*stage*/, double /*seconds*/) {}
  virtual void batch_scored(int64_t /*requests*/, int64_t /*documents*/) {}
  /// A request had no answer, as a score was no finite number: by what it gave, or by the model.
  virtual void score_not_finite(bool /*by_request*/) {}
  virtual void bank_looked_up(BankLookup /*result*/, int64_t /*documents*/) {}
};

}  // namespace lemur
