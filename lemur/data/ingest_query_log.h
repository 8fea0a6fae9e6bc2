// The query log of a configuration, counted.
#pragma once

#include "lemur/data/ingest_context.h"

namespace lemur {

/// Where data.queries names a log, writes into the summary "query_log": {"rows", "without_a_word"
/// (left out), "distinct" (user, query), "reformulated" (of these), "change_rate" (null without a
/// query), "session_minutes"}. Throws DataError naming the row that has no user or no time.
void count_query_log(IngestContext& context);

}  // namespace lemur
