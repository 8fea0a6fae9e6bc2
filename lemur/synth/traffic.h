// Users of the simulated world: their interests, their sessions, and what they type.
#pragma once

#include <array>
#include <cstdint>
#include <queue>
#include <string>
#include <vector>

#include "lemur/synth/world_documents.h"

namespace lemur {

struct User {
  TopicMix interest;       ///< lasting, drifting slowly
  uint16_t passing_topic;  ///< short-term interest, renewed every few sessions
  float synonym_share;     ///< how often the user's words are not the documents' ones
  bool in_session = false;
};

/// One query that a user types at a time.
struct Search {
  int64_t time_ms;
  uint32_t user;
  uint32_t topic;     ///< what the user means
  std::string query;  ///< 1 to 4 words
  bool abandoned;     ///< reformulated before any document was shown
};

/// Endless stream of searches in the order of time: sessions of a few searches each, begun at
/// random times, about `WorldOptions::days` for as many as the events need. Memory: users, and one
/// open session for each at most. Not thread-safe.
class Traffic {
 public:
  /// Keeps a reference to `lexicon`.
  Traffic(const WorldOptions& options, const Lexicon& lexicon);

  Search next();
  const User& user(uint32_t user) const { return users_[user]; }

 private:
  struct Words {
    std::array<uint32_t, 4> ids;
    uint8_t size = 0;
  };
  struct Session {
    double time_ms;
    uint32_t user;
    uint32_t topic;
    Words words;
    bool operator>(const Session& other) const {
      return time_ms != other.time_ms ? time_ms > other.time_ms : user > other.user;
    }
  };

  void make_users();
  void begin_session();
  uint32_t choose_topic(User& user);
  uint32_t draw_word(const Session& session);
  Words first_words(const Session& session);
  void reformulate(Session& session);
  std::string text(const Words& words) const;

  const Lexicon& lexicon_;
  Random random_;
  WeightedIndex popularity_, activity_;
  std::vector<User> users_;
  double mean_gap_ms_, next_arrival_ms_;
  std::priority_queue<Session, std::vector<Session>, std::greater<>> sessions_;
};

}  // namespace lemur
