#include "lemur/serving/user_histories.h"

#include <algorithm>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"

namespace lemur {
namespace {

bool is_earlier(const HistoryElement& a, const HistoryElement& b) { return a.time_ms < b.time_ms; }

/// Drops all but the newest `length`.
void keep_newest(std::vector<HistoryElement>& elements, int64_t length) {
  const auto superfluous = std::ssize(elements) - length;
  if (superfluous > 0) elements.erase(elements.begin(), elements.begin() + superfluous);
}

}  // namespace

UserHistories::UserHistories(const Catalogue& catalogue) : catalogue_(catalogue) {}

std::optional<uint8_t> UserHistories::action(std::string_view name) const {
  const auto& actions = catalogue_.store().schema().actions;
  if (name.empty()) return 0;
  const auto found = std::ranges::find(actions, name);
  if (found == actions.end()) return std::nullopt;
  return static_cast<uint8_t>(found - actions.begin());
}

void UserHistories::add(std::string_view user, std::string_view document, int64_t time_ms,
                        uint8_t action) {
  const auto& histories = catalogue_.store().schema().histories;
  const HistoryElement element{hash_bytes(document), catalogue_.document(document), time_ms,
                               action};
  std::lock_guard lock(mutex_);
  if (element.document == kNone) names_.try_emplace(element.key, document);
  Added& added = added_[hash_bytes(user)];
  added.resize(histories.size());
  for (size_t h = 0; h < histories.size(); ++h) {
    auto& list = added[h];
    list.insert(std::upper_bound(list.begin(), list.end(), element, is_earlier), element);
    if (std::ssize(list) > histories[h].length) list.pop_front();
  }
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
    for (const HistoryElement& element : added->second[history])
      if (element.time_ms < time_ms) elements.push_back(element);
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
    if (past.time_ms >= time_ms) continue;
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
