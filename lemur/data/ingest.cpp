#include "lemur/data/ingest.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "lemur/base/error.h"
#include "lemur/data/ingest_content.h"
#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_counters.h"
#include "lemur/data/ingest_events.h"
#include "lemur/data/ingest_features.h"
#include "lemur/data/ingest_histories.h"
#include "lemur/data/ingest_images.h"
#include "lemur/data/ingest_match.h"
#include "lemur/data/ingest_query_log.h"
#include "lemur/data/ingest_tables.h"

namespace lemur {
namespace {

/// Runs a named stage and notes how long it took.
template <typename Work>
void run_stage(IngestContext& context, const char* name, const Work& work) {
  context.report(name, 0);
  auto start = std::chrono::steady_clock::now();
  work();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  context.summary["seconds"][name] = seconds.count();
}

void check_distinct(const char* what, std::vector<std::string> names) {
  std::ranges::sort(names);
  auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) fail<InvalidArgument>("ingest", "{} '{}' is given twice", what, *twice);
}

/// Checks what can be checked without the data.
void check_options(const DataOptions& data) {
  if (data.documents.empty() || data.events.empty())
    fail<InvalidArgument>("ingest", "data.documents and data.events are required");
  if (data.columns.labels.empty())
    fail<InvalidArgument>("ingest", "data.columns.labels names no label");
  if (data.columns.split.empty() && data.split.valid + data.split.test >= 1)
    fail<InvalidArgument>("ingest", "data.split leaves nothing for training: valid = {}, test = {}",
                          data.split.valid, data.split.test);
  auto names = [](const auto& items, auto name) {
    std::vector<std::string> list;
    for (const auto& item : items) list.push_back(name(item));
    return list;
  };
  check_distinct("label", data.columns.labels);
  check_distinct("text field", names(data.text, [](const auto& f) { return f.column; }));
  check_distinct("image field", names(data.image, [](const auto& f) { return f.column; }));
  check_distinct("feature",
                 names(data.feature, [](const auto& f) { return f.of + " " + f.column; }));
  for (const MatchOptions& match : data.match) check_distinct("[[data.match]] text", match.text);
  check_distinct("history", names(data.history, [](const auto& h) { return h.name; }));
  for (const CounterOptions& counter : data.counter) {
    if (counter.by.empty()) fail<InvalidArgument>("ingest", "a counter has no columns in 'by'");
    if (std::ranges::find(data.columns.labels, counter.label) == data.columns.labels.end())
      fail<InvalidArgument>(
          "ingest", "counter by {}: label '{}' is none of data.columns.labels: {}",
          fmt::join(counter.by, ", "), counter.label, fmt::join(data.columns.labels, ", "));
  }
}

void start_schema(StoreSchema& schema, const DataOptions& data) {
  for (const auto& field : data.text) schema.text.push_back({field.column, field.max_tokens});
  declare_images(schema, data);
  schema.labels = data.columns.labels;
  schema.has_queries = !data.columns.query.empty();
  schema.has_requests = !data.columns.request.empty();
}

void run_stages(IngestContext& context) {
  context.database.execute("SET file_search_path = " +
                           sql_literal(std::filesystem::absolute(context.options.base).string()));
  context.summary["notes"] = nlohmann::json::array();
  start_schema(context.schema, context.options.data);
  declare_features(context);
  IngestTables tables(context);
  run_stage(context, "read documents", [&] { tables.read_documents(); });
  run_stage(context, "read events", [&] { tables.read_events(); });
  run_stage(context, "read actions", [&] { tables.read_actions(); });
  run_stage(context, "number", [&] { tables.number_rows(), tables.cut_splits(); });
  IngestContent content(context, tables);
  run_stage(context, "vocabulary", [&] { content.write_vocabulary(); });
  run_stage(context, "documents", [&] { content.write_documents(); });
  run_stage(context, "images", [&] { write_images(context, tables); });
  run_stage(context, "queries", [&] { content.write_queries(); });
  run_stage(context, "query log", [&] { count_query_log(context); });
  run_stage(context, "users", [&] { content.write_users(); });
  run_stage(context, "features", [&] { write_document_features(context, tables); });
  run_stage(context, "events", [&] { write_events(context, tables, content); });
  run_stage(context, "text match", [&] { write_matches(context); });
  run_stage(context, "histories", [&] { write_histories(context, tables); });
}

}  // namespace

nlohmann::json ingest(const IngestOptions& given) {
  IngestOptions options = given;
  if (options.threads <= 0)
    options.threads = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  if (options.now_ms == 0)
    options.now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  check_options(options.data);
  options.data.counter = counters_of(options.data);
  FolderWriter folder(options.store);
  const char* database_file = "work.duckdb";
  nlohmann::json summary;
  StoreSchema schema;
  {
    Database database({.threads = options.threads,
                       .memory_limit_mb = options.memory_limit_mb,
                       .temporary_folder = folder.file("spill").string(),
                       .file = folder.file(database_file).string()});
    IngestContext context{options, database, folder};
    run_stages(context);
    summary = std::move(context.summary);
    schema = std::move(context.schema);
  }
  for (const char* leftover : {database_file, "work.duckdb.wal", "spill"})
    std::filesystem::remove_all(folder.file(leftover));
  folder.publish({{"format", "lemur sample store"},
                  {"version", SampleStore::kVersion},
                  {"schema", schema.to_json()},
                  {"summary", summary}});
  return summary;
}

}  // namespace lemur
