// What happened to a document that was shown, as the event log keeps it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lemur {

/// One impression and what became of it.
struct FeedbackEvent {
  std::string id;              ///< of the event: one of an ID that the log has is not written again
  std::string user, document;  ///< IDs
  int64_t time_ms = 0;
  std::string request;                   ///< ID of the ranking that it was shown by; empty: unknown
  std::string query;                     ///< raw text; empty: none
  std::map<std::string, double> labels;  ///< by the schema's names; 0 or 1
  std::string action;                    ///< one of the schema's actions; empty: none
  /// Of user, context or cross, by the schema's names: a number or categories; none of
  /// them: missing.
  std::map<std::string, std::variant<double, std::vector<std::string>>> features;

  bool operator==(const FeedbackEvent&) const = default;
};

/// Returns one line of JSON without its end; empty members are left out.
std::string event_to_json(const FeedbackEvent& event);

/// Reads what event_to_json wrote. Throws DataError for anything else.
FeedbackEvent event_from_json(std::string_view json);

}  // namespace lemur
