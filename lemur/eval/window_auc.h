// AUC of the most recent scored rows, for the progress of a training run.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace lemur {

/// Keeps the last `capacity` scores with their labels. Not thread-safe.
class WindowAuc {
 public:
  /// Throws InvalidArgument when `capacity` is 0.
  explicit WindowAuc(size_t capacity);

  /// Adds rows, the oldest leaving: scores [n] (probabilities or logits), labels [n] 0 or 1.
  /// Throws InvalidArgument when the lengths differ.
  void add(std::span<const float> scores, std::span<const float> labels);

  /// Returns the AUC of the rows in the window, ties counting half; absent unless both labels
  /// occur. O(n log n). Throws DataError when a score is NaN.
  std::optional<double> value() const;

  /// Returns the number of rows in the window.
  size_t size() const { return scores_.size(); }

 private:
  size_t capacity_, next_ = 0;  // next_: where the next row goes once the window is full
  std::vector<float> scores_, labels_;
};

}  // namespace lemur
