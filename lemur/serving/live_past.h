// What is known of the past at serving: histories and counters of the store, and of feedback since.
#pragma once

#include <vector>

#include "lemur/feedback/feedback_event.h"
#include "lemur/serving/live_counters.h"
#include "lemur/serving/ranking_backend.h"
#include "lemur/serving/user_histories.h"

namespace lemur {

/// All members may be called from any thread. The catalogue must outlive it.
class LivePast {
 public:
  explicit LivePast(const Catalogue& catalogue);

  /// Takes an event of feedback. Returns false, and takes nothing, where it names an action that
  /// the schema lacks.
  bool add(const FeedbackEvent& event);

  const UserHistories& histories() const { return histories_; }
  const LiveCounters& counters() const { return counters_; }

  /// What the store knew of the past and requests and feedback cannot give.
  std::vector<RankSchema::Missing> missing() const;

 private:
  const Catalogue& catalogue_;
  UserHistories histories_;
  LiveCounters counters_;
};

}  // namespace lemur
