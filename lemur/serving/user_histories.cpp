#include "lemur/serving/user_histories.h"

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/features/known.h"
#include "lemur/serving/event_columns.h"

namespace lemur {
namespace {

bool is_earlier(const HistoryElement& a, const HistoryElement& b) { return a.time_ms < b.time_ms; }

/// Drops all but the newest `length`.
void keep_newest(std::vector<HistoryElement>& elements, int64_t length) {
  const auto superfluous = std::ssize(elements) - length;
  if (superfluous > 0) elements.erase(elements.begin(), elements.begin() + superfluous);
}

/// Drops what no request from now on sees: those that are not known yet are kept beside the newest
/// that are.
void drop_oldest(std::deque<HistoryElement>& elements, const StoreSchema::History& history) {
  const auto length = static_cast<size_t>(history.length);
  const int64_t end = known_before(elements.back().time_ms, history.delay_ms);
  while (elements.size() > length && (history.delay_ms == 0 || elements[length].time_ms < end))
    elements.pop_front();
}

}  // namespace

UserHistories::UserHistories(const Catalogue& catalogue) : catalogue_(catalogue) {
  for (const StoreSchema::History& history : catalogue.store().schema().histories)
    conditions_.emplace_back(history.where);
}

/// Index of an action's name, the first where it is empty; nothing for an unknown one.
std::optional<uint8_t> UserHistories::action(std::string_view name) const {
  const auto& actions = catalogue_.store().schema().actions;
  if (name.empty()) return 0;
  const auto found = std::ranges::find(actions, name);
  if (found == actions.end()) return std::nullopt;
  return static_cast<uint8_t>(found - actions.begin());
}

/// Tells of each history whether its condition holds of the event.
std::vector<bool> UserHistories::joined_by(const FeedbackEvent& event) const {
  const EventColumns columns =
      columns_of(event, catalogue_.store().schema(), catalogue_.options().data.columns);
  std::vector<bool> joined;
  for (const Condition& condition : conditions_)
    joined.push_back(condition.holds([&](size_t column) -> std::optional<std::string_view> {
      const auto found = columns.find(condition.columns()[column]);
      return found == columns.end() ? std::nullopt : std::optional<std::string_view>(found->second);
    }));
  return joined;
}

bool UserHistories::add(const FeedbackEvent& event) {
  const StoreSchema& schema = catalogue_.store().schema();
  const auto number = action(action_of(event, schema.labels));
  if (!number) return event.action.empty();  // the store's histories have no mere impressions
  const HistoryElement element{hash_bytes(event.document), catalogue_.document(event.document),
                               event.time_ms, *number};
  const std::vector<bool> joined = joined_by(event);
  std::lock_guard lock(mutex_);
  if (element.document == kNone) names_.try_emplace(element.key, event.document);
  Added& added = added_[hash_bytes(event.user)];
  added.resize(joined.size());
  for (size_t h = 0; h < joined.size(); ++h) {
    if (!joined[h]) continue;
    auto& list = added[h];
    list.insert(std::upper_bound(list.begin(), list.end(), element, is_earlier), element);
    drop_oldest(list, schema.histories[h]);
  }
  return true;
}

std::vector<std::string> UserHistories::missing(size_t history) const {
  std::vector<std::string> columns;
  for (const std::string& column : conditions_[history].columns())
    if (!can_be_given(column, catalogue_.store().schema(), catalogue_.options().data.columns))
      columns.push_back(column);
  return columns;
}

std::string UserHistories::added_document(uint64_t key) const {
  std::lock_guard lock(mutex_);
  const auto found = names_.find(key);
  return found == names_.end() ? "" : found->second;
}

std::vector<HistoryElement> UserHistories::read(size_t history, std::string_view user,
                                                int64_t time_ms) const {
  const SampleStore& store = catalogue_.store();
  std::vector<HistoryElement> elements;
  const uint32_t known = catalogue_.user(user);
  if (known != kNone) {
    const HistoryView view = store.history(history, known, time_ms);
    elements.reserve(view.size());
    for (size_t i = 0; i < view.size(); ++i)
      elements.push_back({store.document_keys()[view.documents[i]], view.documents[i],
                          view.times[i], view.actions[i]});
  }
  const auto stored = std::ssize(elements);
  {
    std::lock_guard lock(mutex_);
    const auto added = added_.find(hash_bytes(user));
    if (added == added_.end()) return elements;
    const int64_t end = known_before(time_ms, store.schema().histories[history].delay_ms);
    for (const HistoryElement& element : added->second[history])
      if (element.time_ms < end) elements.push_back(element);
  }
  std::inplace_merge(elements.begin(), elements.begin() + stored, elements.end(), is_earlier);
  keep_newest(elements, store.schema().histories[history].length);
  return elements;
}

std::vector<HistoryElement> UserHistories::given(size_t history,
                                                 const std::vector<PastAction>& actions,
                                                 int64_t time_ms) const {
  const StoreSchema::History& schema = catalogue_.store().schema().histories[history];
  std::vector<HistoryElement> elements;
  elements.reserve(actions.size());
  for (const PastAction& past : actions) {
    if (past.time_ms >= known_before(time_ms, 0)) continue;
    const auto number = action(past.action);
    if (!number)
      fail<InvalidArgument>("rank", "history '{}' names the action '{}', which does not exist",
                            schema.name, past.action);
    elements.push_back(
        {hash_bytes(past.document), catalogue_.document(past.document), past.time_ms, *number});
  }
  std::stable_sort(elements.begin(), elements.end(), is_earlier);
  keep_newest(elements, schema.length);
  return elements;
}

}  // namespace lemur
