// The query change rate of a log: how often users ask again in other words (model.md 9).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace lemur {

/// Says whether `next` asks for the same as `query` in other words: it differs, and shares a word
/// with it or is spelt alike (at most a third of the longer one's bytes edited). Both normalised:
/// words joined by single spaces.
bool is_reformulation(std::string_view query, std::string_view next);

/// Counts distinct (user, query) and those of them that the user's next query within the session
/// reformulates. A session ends with a pause longer than `session_ms`. Memory grows with the
/// queries of one user.
class QueryChanges {
 public:
  explicit QueryChanges(int64_t session_ms) : session_ms_(session_ms) {}

  /// Adds a query of the log. Requires: queries of a user come one behind the other, by time.
  void add(std::string_view user, int64_t time_ms, std::string_view query);

  struct Counts {
    int64_t pairs = 0;    ///< distinct (user, query)
    int64_t changed = 0;  ///< of these: followed by a reformulation, at least once
  };
  Counts counts() const;

 private:
  int64_t session_ms_;
  Counts before_;                                  // of the users before
  std::string user_;                               // at hand
  std::unordered_map<std::string, bool> queries_;  // of the user: was reformulated
  std::string last_;                               // query of the user; empty: none
  int64_t last_time_ = 0;
};

}  // namespace lemur
