// What clients say, under the names that the columns of the store's input had.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/features/schema.h"
#include "lemur/feedback/feedback_event.h"
#include "lemur/serving/rank_request.h"

namespace lemur {

/// Texts by the names of columns; what is not known is not there.
using EventColumns = std::map<std::string, std::string, std::less<>>;

/// Returns the text that a column would hold for the value of its feature; several names are put
/// together by what cuts them. Nothing for a missing value.
std::optional<std::string> text_of(const FeatureValue& value, const StoreSchema::Feature& feature);

/// Returns the name of what happened: the event's action, else the label that names it.
std::string_view action_of(const FeedbackEvent& event, const std::vector<std::string>& labels);

/// Returns what an event of feedback says: labels ("0" or "1"), action, user, document, query,
/// request and features.
EventColumns columns_of(const FeedbackEvent& event, const StoreSchema& schema,
                        const ColumnsOptions& columns);

/// True of the columns that columns_of() can give.
bool can_be_given(std::string_view column, const StoreSchema& schema,
                  const ColumnsOptions& columns);

/// Returns the event as the request of one document that it was shown by.
RankRequest request_of(const FeedbackEvent& event);

}  // namespace lemur
