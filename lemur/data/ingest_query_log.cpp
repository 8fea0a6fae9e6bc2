#include "lemur/data/ingest_query_log.h"

#include "lemur/base/error.h"
#include "lemur/data/ingest_source.h"
#include "lemur/data/query_changes.h"
#include "lemur/text/word_splitter.h"

namespace lemur {
namespace {

/// Throws about the first row for which `fault` (SQL) holds.
void check(const IngestContext& context, const IngestSource& source, const std::string& fault,
           const std::string& column, const char* expected) {
  int64_t row = -1;
  context.database.query("SELECT min(__row) FROM query_log WHERE " + fault,
                         [&](std::span<const ColumnView> view, size_t rows) {
                           if (rows > 0 && !view[0].is_null(0)) row = view[0].int64(0);
                         });
  if (row >= 0) source.fail_at(column, row, std::string("expected ") + expected);
}

}  // namespace

void count_query_log(IngestContext& context) {
  const DataOptions& data = context.options.data;
  if (data.queries.empty()) return;
  const IngestSource source(context.database, data.queries, context.options.base);
  const std::string query = data.columns.query.empty() ? "query" : data.columns.query;
  for (const std::string& column : {data.columns.user, query, data.columns.time})
    source.column(column);
  source.materialize("query_log", ", " + source.text_sql(data.columns.user) + " AS __user, " +
                                      source.text_sql(query) + " AS __query, " +
                                      source.time_sql(data.columns.time) + " AS __time");
  check(context, source, "coalesce(__user, '') = ''", data.columns.user, "an ID");
  check(context, source, "__time IS NULL", data.columns.time,
        "a timestamp, milliseconds or seconds");

  WordSplitter splitter(context.options.tokenizer.lower_case);
  QueryChanges changes(static_cast<int64_t>(data.session_minutes * 60'000));
  int64_t all = 0, without_a_word = 0;
  context.database.query(
      "SELECT __user, __time, coalesce(__query, '') FROM query_log ORDER BY __user, __time, __row",
      [&](std::span<const ColumnView> view, size_t rows) {
        for (size_t row = 0; row < rows; ++row) {
          const std::string text = splitter.joined(view[2].text(row));
          if (text.empty()) ++without_a_word;
          if (!text.empty()) changes.add(view[0].text(row), view[1].int64(row), text);
        }
        all += static_cast<int64_t>(rows);
        context.report("query log", static_cast<uint64_t>(all));
      });
  context.database.execute("DROP TABLE query_log");
  const QueryChanges::Counts counts = changes.counts();
  nlohmann::json& summary = context.summary["query_log"];
  summary = {{"rows", all},
             {"without_a_word", without_a_word},
             {"distinct", counts.pairs},
             {"reformulated", counts.changed},
             {"change_rate", nullptr},
             {"session_minutes", data.session_minutes}};
  if (counts.pairs > 0)
    summary["change_rate"] =
        static_cast<double>(counts.changed) / static_cast<double>(counts.pairs);
}

}  // namespace lemur
