#include "lemur/data/ingest_tables.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr const char* kWhere = "ingest";
constexpr size_t kMaxSplits = 100;  // counters open files per split

std::string list_of(const std::set<std::string>& columns) {
  std::string list;
  for (const std::string& column : columns) list += ", " + sql_name(column);
  return list;
}

}  // namespace

IngestTables::IngestTables(IngestContext& context)
    : context_(context),
      database_(context.database),
      options_(context.options.data),
      documents_(database_, options_.documents, context.options.base),
      events_(database_, options_.events, context.options.base) {
  const ColumnsOptions& columns = options_.columns;
  documents_.column(columns.document);
  for (const auto& field : options_.text) document_columns_.insert(field.column);
  for (const auto& field : options_.image) document_columns_.insert(field.column);
  for (const std::string& column : {columns.document, columns.user, columns.time})
    events_.column(column);
  for (const std::string& column : {columns.split, columns.request, columns.query, columns.weight})
    if (!column.empty()) events_.column(column);
  for (const std::string& label : columns.labels) events_.column(label);
  for (const auto& feature : options_.feature)
    (feature.of == "document" ? document_columns_ : event_columns_).insert(feature.column);
  for (const auto& counter : options_.counter)
    for (const std::string& column : counter.by)
      (events_.has(column) ? event_columns_ : document_columns_).insert(column);
  for (const std::string& column : document_columns_) documents_.column(column);
  for (const std::string& column : event_columns_) events_.column(column);
  for (const auto& history : options_.history)
    for (const std::string& column : events_.mentioned(history.where))
      if (std::ranges::find(columns.labels, column) == columns.labels.end())
        event_columns_.insert(column);
  if (options_.actions.empty()) return;
  actions_.emplace_back(database_, options_.actions, context.options.base);
  for (const std::string& column : {columns.document, columns.user, columns.time, columns.action})
    actions_.front().column(column);
}

void IngestTables::run_checks(const std::string& table, const IngestSource& source,
                              const std::vector<Check>& checks) const {
  std::string columns;
  for (const Check& check : checks)
    columns +=
        fmt::format("{}min(__row) FILTER (WHERE {})", columns.empty() ? "" : ", ", check.fault);
  std::vector<int64_t> rows;
  database_.query("SELECT " + columns + " FROM " + table,
                  [&](std::span<const ColumnView> view, size_t) {
                    for (const ColumnView& row : view)
                      rows.push_back(row.is_null(0) ? -1 : row.int64(0));
                  });
  for (size_t i = 0; i < checks.size(); ++i)
    if (rows[i] >= 0) source.fail_at(checks[i].column, rows[i], "expected " + checks[i].expected);
}

IngestTables::Check IngestTables::number_check(const IngestSource& source,
                                               const std::string& column) {
  std::string text = source.text_sql(column), number = source.number_sql(column);
  return {"coalesce(" + text + ", '') <> '' AND (" + number + " IS NULL OR NOT isfinite(" + number +
              "))",
          column, "a finite number"};
}

std::vector<IngestTables::Check> IngestTables::id_checks() const {
  const ColumnsOptions& columns = options_.columns;
  return {{"coalesce(__user, '') = ''", columns.user, "an ID"},
          {"coalesce(__document, '') = ''", columns.document, "an ID"},
          {"__time IS NULL", columns.time, "a timestamp, milliseconds or seconds"}};
}

void IngestTables::read_documents() {
  const std::string& id = options_.columns.document;
  documents_.materialize("documents",
                         ", " + documents_.text_sql(id) + " AS __id" + list_of(document_columns_));
  std::vector<Check> checks = {{"coalesce(__id, '') = ''", id, "an ID"}};
  for (const auto& feature : options_.feature)
    if (feature.of == "document" && feature.kind == "number")
      checks.push_back(number_check(documents_, feature.column));
  run_checks("documents", documents_, checks);
  check_duplicates();
  context_.summary["documents"]["rows"] = database_.query_int64("SELECT count(*) FROM documents");
}

void IngestTables::check_duplicates() const {
  int64_t first = -1, second = -1;
  database_.query(
      "SELECT min(__row), max(__row) FROM documents GROUP BY __id HAVING count(*) > 1 ORDER BY 1 "
      "LIMIT 1",
      [&](std::span<const ColumnView> view, size_t rows) {
        if (rows > 0) first = view[0].int64(0), second = view[1].int64(0);
      });
  if (first >= 0)
    documents_.fail_at(
        options_.columns.document, second,
        fmt::format("row {} holds it too; expected one row for each document", first));
}

void IngestTables::read_events() {
  const ColumnsOptions& columns = options_.columns;
  auto optional_text = [&](const std::string& column) {
    return column.empty() ? std::string("CAST(NULL AS VARCHAR)") : events_.text_sql(column);
  };
  std::string labels;
  for (size_t k = 0; k < columns.labels.size(); ++k)
    labels += fmt::format(", {} AS __label_{}", events_.label_sql(columns.labels[k]), k);
  events_.materialize(
      "raw_events",
      ", " + events_.text_sql(columns.user) + " AS __user, " + events_.text_sql(columns.document) +
          " AS __document, " + events_.time_sql(columns.time) + " AS __time, " +
          (columns.weight.empty() ? "CAST(1 AS DOUBLE)" : events_.number_sql(columns.weight)) +
          " AS __weight, " + optional_text(columns.query) + " AS __query, " +
          optional_text(columns.request) + " AS __request, " + optional_text(columns.split) +
          " AS __split" + labels + list_of(event_columns_));
  std::vector<Check> checks = id_checks();
  for (size_t k = 0; k < columns.labels.size(); ++k)
    checks.push_back({fmt::format("__label_{} IS NULL", k), columns.labels[k], "0 or 1"});
  if (!columns.weight.empty())
    checks.push_back({"__weight IS NULL OR NOT isfinite(__weight) OR __weight < 0", columns.weight,
                      "a finite number of at least 0"});
  if (!columns.split.empty())
    checks.push_back({"coalesce(__split, '') = ''", columns.split, "the name of a split"});
  if (!columns.request.empty())
    checks.push_back({"coalesce(__request, '') = ''", columns.request, "an ID"});
  for (const auto& feature : options_.feature)
    if (feature.of != "document" && feature.kind == "number")
      checks.push_back(number_check(events_, feature.column));
  run_checks("raw_events", events_, checks);
  context_.summary["events"]["rows"] = database_.query_int64("SELECT count(*) FROM raw_events");
}

void IngestTables::read_actions() {
  if (!has_actions()) return;
  const ColumnsOptions& columns = options_.columns;
  const IngestSource& source = actions_.front();
  source.materialize("raw_actions", ", " + source.text_sql(columns.user) + " AS __user, " +
                                        source.text_sql(columns.document) + " AS __document, " +
                                        source.time_sql(columns.time) + " AS __time, " +
                                        source.text_sql(columns.action) + " AS __action, *");
  std::vector<Check> checks = id_checks();
  checks.push_back({"coalesce(__action, '') = ''", columns.action, "the name of an action"});
  run_checks("raw_actions", source, checks);
  context_.summary["actions"]["rows"] = database_.query_int64("SELECT count(*) FROM raw_actions");
}

void IngestTables::count_unknown(const std::string& table, const IngestSource& source) {
  int64_t first = -1, rows = 0;
  database_.query("SELECT min(__row), count(*) FROM " + table +
                      " e ANTI JOIN documents d ON d.__id = e.__document",
                  [&](std::span<const ColumnView> view, size_t) {
                    first = view[0].is_null(0) ? -1 : view[0].int64(0);
                    rows = view[1].int64(0);
                  });
  if (rows > 0 && options_.unknown_documents == "error")
    source.fail_at(options_.columns.document, first,
                   fmt::format("{} lacks this document ({} such rows); "
                               "data.unknown_documents = \"keep\" keeps them without content",
                               documents_.name(), rows));
  context_.summary[table == "raw_events" ? "events" : "actions"]["of_unknown_documents"] = rows;
}

void IngestTables::number_rows() {
  count_unknown("raw_events", events_);
  if (has_actions()) count_unknown("raw_actions", actions_.front());
  // Documents and users of actions alone come behind those of events. One integer orders them:
  // DuckDB can spill the minimum of an integer, not that of a row of two.
  std::string all = "(SELECT __row AS __order, __user, __document FROM raw_events";
  if (has_actions())
    all += " UNION ALL SELECT (1::BIGINT << 62) + __row, __user, __document FROM raw_actions";
  all += ")";
  auto number = [&](const std::string& table, const std::string& id, const std::string& from,
                    const std::string& offset) {
    database_.execute("CREATE TABLE " + table + " AS SELECT id, " + offset +
                      "row_number() OVER (ORDER BY first) - 1 AS number FROM (SELECT " + id +
                      " AS id, min(__order) AS first FROM " + from + " GROUP BY 1)");
  };
  number("unknown_documents", "__document",
         all + " e ANTI JOIN documents d ON d.__id = e.__document",
         "(SELECT count(*) FROM documents) + ");
  database_.execute(
      "CREATE TABLE document_numbers AS SELECT __id AS id, __row AS number FROM documents UNION "
      "ALL SELECT id, number FROM unknown_documents");
  number("users", "__user", all, "");
  number("raw_queries", "__query",
         "(SELECT __row AS __order, __query FROM raw_events WHERE __query IS NOT NULL)", "");
  context_.summary["documents"]["unknown"] =
      database_.query_int64("SELECT count(*) FROM unknown_documents");
  for (const char* table : {"document_numbers", "users", "raw_queries"})
    if (database_.query_int64(std::string("SELECT count(*) FROM ") + table) >= kNone)
      fail<DataError>(kWhere, "more than {} {}", kNone - 1, table);
}

std::string IngestTables::split_by_time() const {
  int64_t rows = database_.query_int64("SELECT count(*) FROM timed_events");
  // The n-th time in order, by bisection: bounded memory, which a sort with an offset has not.
  auto nth_time = [&](int64_t n) {
    int64_t low = database_.query_int64("SELECT min(__request_time) FROM timed_events");
    int64_t high = database_.query_int64("SELECT max(__request_time) FROM timed_events");
    while (low < high) {
      int64_t middle = std::midpoint(low, high);
      int64_t count = database_.query_int64(
          fmt::format("SELECT count(*) FROM timed_events WHERE __request_time <= {}", middle));
      if (count > n)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  };
  // Events of one request, and those of one time, stay together: those later than the last one of
  // the splits before.
  auto condition = [&](double share) -> std::string {
    int64_t before = rows - std::llround(static_cast<double>(rows) * share);
    if (before >= rows) return "false";
    if (before <= 0) return "true";
    return fmt::format("__request_time > {}", nth_time(before - 1));
  };
  const SplitOptions& split = options_.split;
  return "CASE WHEN " + condition(split.test) + " THEN 'test' WHEN " +
         condition(split.test + split.valid) + " THEN 'valid' ELSE 'train' END";
}

void IngestTables::find_request_times() {
  if (options_.columns.request.empty()) {
    database_.execute(
        "CREATE VIEW timed_events AS SELECT *, __time AS __request_time FROM raw_events");
    return;
  }
  database_.execute(
      "CREATE TABLE request_times AS SELECT __request, min(__time) AS first FROM raw_events GROUP "
      "BY 1");
  database_.execute(
      "CREATE VIEW timed_events AS SELECT e.*, r.first AS __request_time FROM raw_events e JOIN "
      "request_times r ON r.__request = e.__request");
}

void IngestTables::cut_splits() {
  find_request_times();
  database_.execute(options_.columns.split.empty()
                        ? "CREATE VIEW events AS SELECT * REPLACE (" + split_by_time() +
                              " AS __split) FROM timed_events"
                        : "CREATE VIEW events AS SELECT * FROM timed_events");
  find_training_documents();
  uint64_t begin = 0;
  auto& splits = context_.schema.splits;
  database_.query(
      "SELECT __split, count(*) FROM events GROUP BY 1 ORDER BY CASE __split WHEN 'train' THEN 0 "
      "WHEN 'valid' THEN 1 WHEN 'test' THEN 2 ELSE 3 END, 1",
      [&](std::span<const ColumnView> view, size_t rows) {
        for (size_t row = 0; row < rows; ++row) {
          auto count = static_cast<uint64_t>(view[1].int64(row));
          splits.push_back({std::string(view[0].text(row)), begin, begin + count});
          begin += count;
          if (splits.size() > kMaxSplits)
            fail<DataError>(kWhere, "{}: column '{}' names more than {} splits", events_.name(),
                            options_.columns.split, kMaxSplits);
        }
      });
  context_.schema.num_events = begin;
  for (const char* name : {"train", "valid", "test"})
    if (std::ranges::find(splits, name, &StoreSchema::Split::name) == splits.end())
      context_.summary["notes"].push_back(fmt::format("there is no event in split '{}'", name));
}

void IngestTables::find_training_documents() {
  is_in_training_.assign(
      static_cast<size_t>(database_.query_int64("SELECT count(*) FROM document_numbers")), false);
  int64_t count = 0;
  database_.query(
      "SELECT DISTINCT d.number FROM events e JOIN document_numbers d ON d.id = e.__document WHERE "
      "e.__split = 'train'",
      [&](std::span<const ColumnView> view, size_t rows) {
        for (size_t row = 0; row < rows; ++row)
          is_in_training_[static_cast<size_t>(view[0].int64(row))] = true;
        count += static_cast<int64_t>(rows);
      });
  context_.summary["documents"]["in_training"] = count;
}

void IngestTables::query_documents(
    const std::string& columns,
    const std::function<void(std::span<const ColumnView>, size_t)>& consume) const {
  // A scan without a sort keeps the order of insertion.
  int64_t next = 0;
  database_.query("SELECT __row" + columns + " FROM documents d",
                  [&](std::span<const ColumnView> view, size_t rows) {
                    for (size_t row = 0; row < rows; ++row)
                      ensure(view[0].int64(row) == next++, kWhere, "documents come in their order");
                    consume(view.subspan(1), rows);
                  });
}

void IngestTables::query_unknown_documents(
    const std::function<void(std::string_view)>& consume) const {
  database_.query("SELECT id FROM unknown_documents ORDER BY number",
                  [&](std::span<const ColumnView> view, size_t rows) {
                    for (size_t row = 0; row < rows; ++row) consume(view[0].text(row));
                  });
}

}  // namespace lemur
