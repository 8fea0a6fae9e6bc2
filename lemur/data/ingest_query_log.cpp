#include "lemur/data/ingest_query_log.h"

#include "lemur/base/error.h"
#include "lemur/data/column_report.h"
#include "lemur/data/ingest_source.h"
#include "lemur/data/ingest_times.h"
#include "lemur/data/query_changes.h"
#include "lemur/text/word_splitter.h"

namespace lemur {
namespace {

/// Reads the log into query_log: __row, __user, __query, __time.
void read_query_log(IngestContext& context) {
  const DataOptions& data = context.options.data;
  IngestSource source(context.database, data.queries, context.options.base,
                      csv_options(data, "queries"));
  const std::string& user = data.columns.user;
  const std::string query = data.columns.query.empty() ? "query" : data.columns.query;
  const TimeColumn time(source, data.columns.time, {data.time_format, context.options.now_ms});
  source.materialize("query_log", ", " + source.id_sql(user) + " AS __user, " +
                                      source.text_sql(query) + " AS __query" + time.sql());
  source.run_checks({{"coalesce(__user, '') = ''", user, "an ID: a text or a whole number"}});
  context.summary["times"]["queries"] = time.settle(context.database, "query_log");
  context.summary["columns"]["queries"] = report_columns(
      context.database, source, "query_log",
      {{{user, "VARCHAR"}, "__user"}, {{query, "VARCHAR"}, "__query", {.as_text = true}}});
}

}  // namespace

void count_query_log(IngestContext& context) {
  const DataOptions& data = context.options.data;
  if (data.queries.empty()) return;
  read_query_log(context);
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
  context.database.execute("DROP VIEW query_log");
  context.database.execute("DROP TABLE query_log_as_read");
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
