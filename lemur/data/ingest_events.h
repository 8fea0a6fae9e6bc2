// The columns of events, in the order of the store.
#pragma once

#include "lemur/data/ingest_content.h"
#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_tables.h"

namespace lemur {

/// Writes events by split, time and row with their features and counters, and the documents' first
/// appearances.
void write_events(IngestContext& context, const IngestTables& tables, const IngestContent& content);

}  // namespace lemur
