#include "lemur/synth/traffic.h"

#include <algorithm>

namespace lemur {
namespace {

constexpr double kContinue = 0.45;      // a search is followed by another one of the session
constexpr double kAbandon = 0.1;        // a search is reformulated at once
constexpr double kReformulate = 0.7;    // a later search has other words
constexpr double kDrift = 0.03;         // a session begins with one lasting interest exchanged
constexpr double kRenewPassing = 0.3;   // a session begins with another passing topic
constexpr double kOffTopicWord = 0.12;  // a further word of a query is of the background

double mean_session_gap_ms(const WorldOptions& options) {
  const Shown shown = shown_of(options);
  const double shown_per_search =
      0.5 * static_cast<double>(shown.fewest + shown.most) * (1 - kAbandon);
  constexpr double kSearches = 1 / (1 - kContinue - (1 - kContinue) * kAbandon);
  double sessions = static_cast<double>(options.events) / (shown_per_search * kSearches);
  return options.days * kDayMs / std::max(1.0, sessions);
}

}  // namespace

Traffic::Traffic(const WorldOptions& options, const Lexicon& lexicon)
    : lexicon_(lexicon),
      random_(options.seed, hash_bytes("traffic")),
      popularity_(topic_popularity(options.topics)),
      activity_(zipf_weights(options.users, 0.6, 10)),
      users_(static_cast<size_t>(options.users)),
      mean_gap_ms_(mean_session_gap_ms(options)),
      next_arrival_ms_(static_cast<double>(kLogStart) + random_.exponential(mean_gap_ms_)) {
  make_users();
}

void Traffic::make_users() {
  for (User& user : users_) {
    for (double weight : {1.0, 0.7, 0.5, 0.35})
      user.interest.add(popularity_.draw(random_), weight);
    user.interest.normalise();
    user.passing_topic = static_cast<uint16_t>(popularity_.draw(random_));
    user.synonym_share = static_cast<float>(0.7 * random_.uniform());
  }
}

uint32_t Traffic::choose_topic(User& user) {
  if (random_.chance(kDrift))
    user.interest.replace(random_.below(user.interest.size()), popularity_.draw(random_));
  if (random_.chance(kRenewPassing))
    user.passing_topic = static_cast<uint16_t>(random_.chance(0.6) ? user.interest.draw(random_)
                                                                   : popularity_.draw(random_));
  double kind = random_.uniform();
  if (kind < 0.4) return user.passing_topic;
  return kind < 0.75 ? user.interest.draw(random_) : popularity_.draw(random_);
}

uint32_t Traffic::draw_word(const Session& session) {
  return lexicon_.draw_topical(session.topic, users_[session.user].synonym_share, random_);
}

Traffic::Words Traffic::first_words(const Session& session) {
  Words words;
  words.ids[words.size++] = draw_word(session);
  for (uint64_t more = random_.below(words.ids.size()); more > 0; --more)
    words.ids[words.size++] =
        random_.chance(kOffTopicWord) ? lexicon_.draw_background(random_) : draw_word(session);
  return words;
}

void Traffic::reformulate(Session& session) {
  Words& words = session.words;
  if (words.size < words.ids.size() && random_.chance(0.5))
    words.ids[words.size++] = draw_word(session);
  else
    words.ids[random_.below(words.size)] = draw_word(session);
}

void Traffic::begin_session() {
  constexpr int kTries = 16;
  for (int i = 0; i < kTries; ++i) {
    uint32_t index = activity_.draw(random_);
    User& user = users_[index];
    if (user.in_session) continue;
    user.in_session = true;
    Session session{next_arrival_ms_, index, choose_topic(user), {}};
    session.words = first_words(session);
    sessions_.push(session);
    return;
  }
}

Search Traffic::next() {
  while (sessions_.empty() || next_arrival_ms_ <= sessions_.top().time_ms) {
    begin_session();
    next_arrival_ms_ += random_.exponential(mean_gap_ms_);
  }
  Session session = sessions_.top();
  sessions_.pop();
  bool abandoned = random_.chance(kAbandon);
  Search search{static_cast<int64_t>(session.time_ms), session.user, session.topic,
                text(session.words), abandoned};
  if (abandoned || random_.chance(kContinue)) {
    session.time_ms +=
        abandoned ? 4000 + random_.exponential(6000) : 20000 + random_.exponential(60000);
    if (abandoned || random_.chance(kReformulate)) reformulate(session);
    sessions_.push(session);
  } else {
    users_[session.user].in_session = false;
  }
  return search;
}

std::string Traffic::text(const Words& words) const {
  std::string text;
  for (size_t i = 0; i < words.size; ++i) {
    if (i > 0) text += ' ';
    text += lexicon_.word(words.ids[i]);
  }
  return text;
}

}  // namespace lemur
