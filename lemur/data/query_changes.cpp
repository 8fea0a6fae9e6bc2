#include "lemur/data/query_changes.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace lemur {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

}  // namespace

bool is_reformulation(std::string_view query, std::string_view next) {
  if (query == next) return false;
  const std::vector<std::string_view> words = words_of(query), others = words_of(next);
  const bool shares_word = std::ranges::any_of(words, [&](std::string_view word) {
    return std::ranges::find(others, word) != others.end();
  });
  return shares_word || 3 * edit_distance(query, next) <= std::max(query.size(), next.size());
}

void QueryChanges::add(std::string_view user, int64_t time_ms, std::string_view query) {
  if (user != user_) {
    before_ = counts();
    user_ = user;
    queries_.clear();
    last_.clear();
  }
  if (!last_.empty() && time_ms - last_time_ <= session_ms_ && is_reformulation(last_, query))
    queries_[last_] = true;
  queries_.try_emplace(std::string(query), false);
  last_ = query;
  last_time_ = time_ms;
}

QueryChanges::Counts QueryChanges::counts() const {
  Counts counts = before_;
  counts.pairs += static_cast<int64_t>(queries_.size());
  for (const auto& [query, changed] : queries_) counts.changed += changed;
  return counts;
}

}  // namespace lemur
