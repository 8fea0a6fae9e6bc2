// Feedback as JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lemur/feedback/feedback_event.h"
#include "lemur/http/rank_json.h"

namespace lemur {

/// Parses the body of POST /v1/feedback. An event without an "id" gets one of `request_id`, its
/// place in the list and its content: the same request sent again is told as a duplicate. Throws
/// RequestError like parse_rank.
std::vector<FeedbackEvent> parse_feedback(std::string& body, const RankSchema& schema,
                                          const RequestLimits& limits, std::string_view request_id,
                                          int64_t now_ms);

}  // namespace lemur
