// Scorer::explain: what a score is made of.
#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "lemur/nn/unit_rows.h"
#include "lemur/serving/scorer.h"

namespace lemur {
namespace {

constexpr size_t kNearest = 5;

/// Notes how the logits of the rows of `features` change when a group of columns is masked.
void add_groups(RankingModel& model, const torch::Tensor& features, const torch::Tensor& logits,
                std::span<const RankerInput::Group> groups, RankAnswer& answer) {
  for (const RankerInput::Group& group : groups) {
    torch::Tensor masked = features.clone();
    masked.narrow(1, group.begin, group.width).zero_();
    const torch::Tensor change = (logits - model->rank(masked)).select(1, 0).contiguous();
    for (size_t i = 0; i < answer.documents.size(); ++i)
      answer.documents[i].parts->groups.emplace_back(group.name, change.data_ptr<float>()[i]);
  }
}

void add_query_cosines(const torch::Tensor& documents, const torch::Tensor& query,
                       RankAnswer& answer) {
  const torch::Tensor cosines = documents.mv(query);
  for (size_t i = 0; i < answer.documents.size(); ++i)
    answer.documents[i].parts->query_cosine = cosines.data_ptr<float>()[i];
}

/// Returns the distinct documents of the history with the largest cosines.
std::vector<ScoreParts::Neighbour> nearest_of(const SampleStore& store,
                                              std::span<const HistoryElement> elements,
                                              const float* cosines) {
  std::vector<size_t> order(elements.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, std::greater(), [&](size_t e) { return cosines[e]; });
  std::vector<ScoreParts::Neighbour> nearest;
  for (size_t e : order) {
    if (nearest.size() == kNearest) break;
    if (elements[e].document == kNone) continue;
    const auto id = store.document_id(elements[e].document);
    if (std::ranges::find(nearest, id, &ScoreParts::Neighbour::document) == nearest.end())
      nearest.push_back({std::string(id), cosines[e]});
  }
  return nearest;
}

}  // namespace

void Scorer::explain(Snapshot& snapshot, const Prepared& prepared, const Scored& scored,
                     size_t request, RankAnswer& answer) const {
  const int64_t begin = prepared.begin[request], count = prepared.begin[request + 1] - begin;
  const auto rows = [&](const torch::Tensor& x) { return x.narrow(0, begin, count); };
  for (RankedDocument& document : answer.documents) document.parts.emplace();
  add_groups(snapshot.state.model, rows(scored.input.features), rows(scored.logits),
             scored.input.groups, answer);
  const RankingInput& input = prepared.input;
  if (!input.documents.defined() || count == 0) return;
  const torch::Tensor documents = unit_rows(rows(input.documents));
  const auto query = input.query_of[begin].item<int64_t>();
  if (input.queries.defined() && query >= 0)
    add_query_cosines(documents, unit_rows(input.queries.narrow(0, query, 1)).squeeze(0), answer);
  if (prepared.content.empty() || prepared.content[request].empty()) return;
  const torch::Tensor elements =
      unit_rows(input.history_content.index_select(0, prepared.content_rows[request]));
  const torch::Tensor cosines = documents.matmul(elements.t()).contiguous();
  for (size_t i = 0; i < answer.documents.size(); ++i)
    answer.documents[i].parts->nearest =
        nearest_of(catalogue_.store(), prepared.content[request],
                   cosines.data_ptr<float>() + static_cast<int64_t>(i) * cosines.size(1));
}

}  // namespace lemur
