// What an event is called where it stands in a history.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lemur {

/// Name of an impression that came to nothing.
inline constexpr std::string_view kImpression = "impression";

/// Returns the name of an event's action: the first label of `labels` that `is_positive(k)` holds
/// for, else kImpression.
template <typename IsPositive>
std::string_view action_of_labels(std::span<const std::string> labels,
                                  const IsPositive& is_positive) {
  for (size_t k = 0; k < labels.size(); ++k)
    if (is_positive(k)) return labels[k];
  return kImpression;
}

}  // namespace lemur
