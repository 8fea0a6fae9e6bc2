// Past actions per user, from events and from the actions table.
#pragma once

#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_tables.h"

namespace lemur {

/// Writes the histories' columns and the schema's actions. A history takes the rows of events, of
/// all splits, where its condition holds, and the rows of the actions table where it holds. A
/// condition that fits the columns of only one of the two takes nothing from the other, which the
/// summary notes. An event's action is the name of its first label that is 1, else "impression";
/// a condition finds it under the name of the actions table's column, unless events have a column
/// of that name. Labels in a condition are the numbers 0 and 1, whatever they are in the input;
/// other columns of CSV are text, which DuckDB casts where it is compared with a number.
///
/// Throws InvalidArgument naming the history when its condition fits neither table, DataError when
/// it fails on a row or when there are more than 255 kinds of actions.
void write_histories(IngestContext& context, const IngestTables& tables);

}  // namespace lemur
