#include <algorithm>
#include <limits>
#include <unordered_set>

#include "lemur/data/png_writer.h"
#include "lemur/serving/predictor.h"

namespace lemur {
namespace {

/// Collects the texts of indices, each once, up to a count.
class Distinct {
 public:
  explicit Distinct(size_t count) : count_(count) {}

  template <typename TextOf>
  void add(uint32_t index, const TextOf& text_of) {
    if (texts_.size() < count_ && seen_.insert(index).second) texts_.emplace_back(text_of(index));
  }
  bool is_full() const { return texts_.size() == count_; }
  std::vector<std::string> take() { return std::move(texts_); }

 private:
  size_t count_;
  std::unordered_set<uint32_t> seen_;
  std::vector<std::string> texts_;
};

}  // namespace

std::optional<std::vector<HistoryItem>> Predictor::history(std::string_view user,
                                                           std::string_view name,
                                                           size_t limit) const {
  const auto& histories = schema_.histories;
  const auto found = std::ranges::find(histories, name, &RankSchema::History::name);
  if (found == histories.end()) return std::nullopt;
  const auto elements = past_.histories().read(static_cast<size_t>(found - histories.begin()), user,
                                               std::numeric_limits<int64_t>::max());
  std::vector<HistoryItem> items;
  for (auto element = elements.rbegin(); element != elements.rend() && items.size() < limit;
       ++element) {
    HistoryItem& item = items.emplace_back();
    item.time_ms = element->time_ms;
    if (element->action < schema_.actions.size()) item.action = schema_.actions[element->action];
    if (element->document == kNone) {
      item.document = past_.histories().added_document(element->key);
      continue;
    }
    item.document = catalogue_.store().document_id(element->document);
    if (!schema_.text_fields.empty()) item.title = catalogue_.text(element->document, 0);
  }
  return items;
}

std::optional<std::vector<uint8_t>> Predictor::image(std::string_view id,
                                                     std::string_view field) const {
  const uint32_t document = catalogue_.document(id);
  if (document == kNone) return std::nullopt;
  const SampleStore& store = catalogue_.store();
  const auto& images = store.schema().images;
  for (size_t i = 0; i < images.size(); ++i) {
    if (!field.empty() && images[i].name != field) continue;
    const std::span<const uint8_t> pixels = store.image(document, i);
    if (!pixels.empty()) return png_of(pixels, images[i].pixels);
  }
  return std::nullopt;
}

RankExamples Predictor::examples(size_t count) const {
  const SampleStore& store = catalogue_.store();
  constexpr uint64_t kMostEvents = 100'000;  // a client waits for them
  Distinct users(count), queries(count), documents(count);
  const uint64_t end = store.schema().num_events;
  const uint64_t begin = end - std::min(end, kMostEvents);
  for (uint64_t event = end; event-- > begin;) {
    users.add(store.users()[event], [&](uint32_t u) { return store.user_id(u); });
    documents.add(store.documents()[event], [&](uint32_t d) { return store.document_id(d); });
    if (const uint32_t query = store.queries()[event]; query != kNone)
      queries.add(query, [&](uint32_t q) { return store.query_text(q); });
    if (users.is_full() && documents.is_full() &&
        (queries.is_full() || !store.schema().has_queries))
      break;
  }
  return {users.take(), queries.take(), documents.take()};
}

}  // namespace lemur
