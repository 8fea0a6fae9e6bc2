#include "lemur/eval/window_auc.h"

#include "lemur/base/error.h"
#include "lemur/eval/metrics.h"

namespace lemur {

WindowAuc::WindowAuc(size_t capacity) : capacity_(capacity) {
  if (capacity == 0) fail<InvalidArgument>("metrics", "a window of 0 rows");
}

void WindowAuc::add(std::span<const float> scores, std::span<const float> labels) {
  if (scores.size() != labels.size())
    fail<InvalidArgument>("metrics", "{} labels for {} scores", labels.size(), scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores_.size() < capacity_) {
      scores_.push_back(scores[i]);
      labels_.push_back(labels[i]);
      continue;
    }
    scores_[next_] = scores[i];
    labels_[next_] = labels[i];
    next_ = (next_ + 1) % capacity_;
  }
}

std::optional<double> WindowAuc::value() const { return compute_auc(scores_, labels_); }

}  // namespace lemur
