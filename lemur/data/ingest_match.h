// The numbers of text match: enters them into the schema and learns their scales.
#pragma once

#include "lemur/data/ingest_context.h"

namespace lemur {

/// Counts in how many documents of training each word is, and enters the features of every
/// [[data.match]] (or of data.text_match) into the schema, with scales learned from training's
/// impressions that have a query, at most 200,000 of them, evenly chosen. Documents, queries and
/// events must be written. Throws InvalidArgument where a match names no text field, or another
/// query than data.columns.query.
void write_matches(IngestContext& context);

}  // namespace lemur
