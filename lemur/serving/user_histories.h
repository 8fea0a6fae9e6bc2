// The past of users: the store's actions and what feedback has added since.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lemur/features/condition.h"
#include "lemur/feedback/feedback_event.h"
#include "lemur/serving/catalogue.h"
#include "lemur/serving/rank_request.h"

namespace lemur {

/// One past action.
struct HistoryElement {
  uint64_t key = 0;           ///< hash_bytes of the document's ID
  uint32_t document = kNone;  ///< index in the store; kNone: the store does not know it
  int64_t time_ms = 0;
  uint8_t action = 0;  ///< index into StoreSchema::actions
};

/// All members may be called from any thread. The catalogue must outlive it.
class UserHistories {
 public:
  explicit UserHistories(const Catalogue& catalogue);

  /// Adds what happened to the histories whose condition holds. Each keeps its newest ones only.
  /// Returns false, and adds nothing, where the event names an action that the schema lacks.
  bool add(const FeedbackEvent& event);

  /// Returns the ID of a document that was added and that the store does not know; empty for
  /// others.
  std::string added_document(uint64_t key) const;

  /// Returns what a request at `time_ms` may know of the user (features/known.h), oldest first, at
  /// most the history's length.
  std::vector<HistoryElement> read(size_t history, std::string_view user, int64_t time_ms) const;

  /// Returns the newest of the actions that a request gives as the user's past, as they are: no
  /// condition, no delay. Throws InvalidArgument for an action that the schema lacks.
  std::vector<HistoryElement> given(size_t history, const std::vector<PastAction>& actions,
                                    int64_t time_ms) const;

  /// Columns that the history's condition asks for and feedback cannot give: they are NULL there.
  std::vector<std::string> missing(size_t history) const;

 private:
  using Added = std::vector<std::deque<HistoryElement>>;  // per history, ascending in time
  std::optional<uint8_t> action(std::string_view name) const;
  std::vector<bool> joined_by(const FeedbackEvent& event) const;

  const Catalogue& catalogue_;
  std::vector<Condition> conditions_;                // per history
  mutable std::mutex mutex_;                         // guards what follows
  std::unordered_map<uint64_t, Added> added_;        // by hash_bytes of the user's ID
  std::unordered_map<uint64_t, std::string> names_;  // by key: added documents that the store lacks
};

}  // namespace lemur
