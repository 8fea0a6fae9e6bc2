#include "lemur/data/ingest_tables.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "lemur/base/error.h"
#include "lemur/data/column_report.h"
#include "lemur/data/ingest_images.h"
#include "lemur/data/ingest_times.h"
#include "lemur/features/condition.h"

namespace lemur {
namespace {

constexpr size_t kMaxSplits = 100;  // counters open files per split

using Check = IngestSource::Check;

/// Columns that the conditions of the histories ask for.
std::set<std::string> condition_columns(const DataOptions& options) {
  std::set<std::string> columns;
  for (const HistoryOptions& history : options.history) {
    const Condition condition(history.where);
    columns.insert(condition.columns().begin(), condition.columns().end());
  }
  return columns;
}

/// The columns as they are, each with a comma before it.
std::string list_of(const std::map<std::string, ColumnUse>& columns) {
  std::string list;
  for (const auto& [column, use] : columns) list += ", " + sql_name(column);
  return list;
}

/// Checks of columns that a table holds as they are: numbers are numbers, texts are UTF-8.
void add_checks(const IngestSource& source, const std::map<std::string, ColumnUse>& columns,
                std::vector<Check>& checks) {
  for (const auto& [column, use] : columns) {
    const bool is_blob = value_kind(source.column(column).sql_type) == ValueKind::kBlob;
    if (is_blob && (use.as_text || use.as_category))
      checks.push_back(
          {fmt::format("{} IS NOT NULL AND {} IS NULL", sql_name(column), source.text_sql(column)),
           column, "text in UTF-8"});
    if (!use.as_number) continue;
    checks.push_back(
        {fmt::format("coalesce(CAST({0} AS VARCHAR), '') <> '' AND ({1} IS NULL OR isinf({1}))",
                     sql_name(column), source.number_sql(column)),
         column, "a finite number"});
  }
}

}  // namespace

IngestTables::IngestTables(IngestContext& context)
    : context_(context),
      database_(context.database),
      options_(context.options.data),
      documents_(database_, options_.documents, context.options.base,
                 csv_options(options_, "documents")),
      events_(database_, options_.events, context.options.base, csv_options(options_, "events")) {
  const ColumnsOptions& columns = options_.columns;
  check_time_format(database_, options_.time_format);
  context.schema.has_declared_times = !options_.time_format.empty();
  documents_.column(columns.document);
  for (const auto& field : options_.text) document_columns_[field.column].as_text = true;
  for (const auto& field : options_.image)
    for (const std::string& column : image_columns(documents_, field.column))
      document_columns_[column].as_image = true;
  for (const std::string& column : {columns.document, columns.user, columns.time})
    events_.column(column);
  for (const std::string& column : {columns.split, columns.request, columns.query, columns.weight})
    if (!column.empty()) events_.column(column);
  for (const std::string& column : {columns.split, columns.query})
    if (!column.empty() && value_kind(events_.column(column).sql_type) == ValueKind::kBlob)
      event_columns_[column].as_text = true;
  for (const std::string& label : columns.labels) events_.column(label);
  for (const auto& feature : options_.feature) {
    ColumnUse& use =
        (feature.of == "document" ? document_columns_ : event_columns_)[feature.column];
    (feature.kind == "number" ? use.as_number : use.as_category) = true;
  }
  for (const auto& counter : options_.counter)
    for (const std::string& column : counter.by)
      (events_.has(column) ? event_columns_ : document_columns_)[column].as_category = true;
  for (const std::string& column : condition_columns(options_))
    if (events_.has(column) && std::ranges::find(columns.labels, column) == columns.labels.end())
      event_columns_[column].as_text = true;
  for (const auto& [column, use] : document_columns_) documents_.column(column);
  for (const auto& [column, use] : event_columns_) events_.column(column);
  read_actions_source();
}

void IngestTables::read_actions_source() {
  if (options_.actions.empty()) return;
  const ColumnsOptions& columns = options_.columns;
  actions_.emplace_back(database_, options_.actions, context_.options.base,
                        csv_options(options_, "actions"));
  for (const std::string& column : {columns.document, columns.user, columns.time, columns.action})
    actions_.front().column(column);
  for (const std::string& column : condition_columns(options_))
    if (actions_.front().has(column)) action_columns_[column].as_text = true;
}

std::vector<Check> IngestTables::id_checks() const {
  const char* expected = "an ID: a text or a whole number";
  return {{"coalesce(__user, '') = ''", options_.columns.user, expected},
          {"coalesce(__document, '') = ''", options_.columns.document, expected}};
}

void IngestTables::summarize(const std::string& part, const IngestSource& source,
                             const std::string& table, std::vector<ReportedColumn> columns,
                             const ColumnUses& uses) const {
  for (const auto& [name, use] : uses)
    columns.push_back({source.column(name), sql_name(name), use});
  const IngestSource::Counts counts = source.counts();
  nlohmann::json& summary = context_.summary[part];
  summary["rows"] = counts.rows;
  if (counts.files > 0) summary["files"] = counts.files;
  if (counts.blank_lines > 0)
    summary["blank_lines"] = {{"lines", counts.blank_lines},
                              {"first", counts.files_with_blank_lines}};
  context_.summary["columns"][part] = report_columns(database_, source, table, columns);
}

void IngestTables::read_documents() {
  const std::string& id = options_.columns.document;
  documents_.materialize("documents",
                         ", " + documents_.id_sql(id) + " AS __id" + list_of(document_columns_));
  std::vector<Check> checks = {{"coalesce(__id, '') = ''", id, "an ID: a text or a whole number"}};
  add_checks(documents_, document_columns_, checks);
  documents_.run_checks(checks);
  check_duplicates();
  summarize("documents", documents_, "documents", {{{id, "VARCHAR"}, "__id"}}, document_columns_);
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

std::vector<Check> IngestTables::event_checks() const {
  const ColumnsOptions& columns = options_.columns;
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
  add_checks(events_, event_columns_, checks);
  return checks;
}

void IngestTables::read_events() {
  const ColumnsOptions& columns = options_.columns;
  const TimeColumn time(events_, columns.time, {options_.time_format, context_.options.now_ms});
  std::string list = ", " + events_.id_sql(columns.user) + " AS __user, " +
                     events_.id_sql(columns.document) + " AS __document" + time.sql();
  std::vector<ReportedColumn> reported = {{{columns.user, "VARCHAR"}, "__user"},
                                          {{columns.document, "VARCHAR"}, "__document"}};
  const auto take = [&](const std::string& column, const std::string& type, const std::string& sql,
                        const std::string& name, bool as_text = false) {
    list += ", " + (column.empty() ? "CAST(" + sql + " AS " + type + ")" : sql) + " AS " + name;
    if (!column.empty()) reported.push_back({{column, type}, name, {.as_text = as_text}});
  };
  const auto or_null = [&](const std::string& column, const auto& sql) {
    return column.empty() ? std::string("NULL") : sql(column);
  };
  const auto text = [&](const std::string& column) { return events_.text_sql(column); };
  const auto id = [&](const std::string& column) { return events_.id_sql(column); };
  take(columns.weight, "DOUBLE", columns.weight.empty() ? "1" : events_.number_sql(columns.weight),
       "__weight");
  take(columns.query, "VARCHAR", or_null(columns.query, text), "__query", true);
  take(columns.request, "VARCHAR", or_null(columns.request, id), "__request");
  take(columns.split, "VARCHAR", or_null(columns.split, text), "__split");
  for (size_t k = 0; k < columns.labels.size(); ++k)
    take(columns.labels[k], "UTINYINT", events_.label_sql(columns.labels[k]),
         fmt::format("__label_{}", k));
  events_.materialize("raw_events", list + list_of(event_columns_));
  events_.run_checks(event_checks());
  context_.summary["times"]["events"] = time.settle(database_, "raw_events");
  summarize("events", events_, "raw_events", std::move(reported), event_columns_);
}

void IngestTables::read_actions() {
  if (!has_actions()) return;
  const ColumnsOptions& columns = options_.columns;
  IngestSource& source = actions_.front();
  const TimeColumn time(source, columns.time, {options_.time_format, context_.options.now_ms});
  source.materialize("raw_actions", ", " + source.id_sql(columns.user) + " AS __user, " +
                                        source.id_sql(columns.document) + " AS __document, " +
                                        source.text_sql(columns.action) + " AS __action" +
                                        time.sql() + list_of(action_columns_));
  std::vector<Check> checks = id_checks();
  checks.push_back({"coalesce(__action, '') = ''", columns.action, "the name of an action"});
  add_checks(source, action_columns_, checks);
  source.run_checks(checks);
  context_.summary["times"]["actions"] = time.settle(database_, "raw_actions");
  summarize("actions", source, "raw_actions",
            {{{columns.user, "VARCHAR"}, "__user"},
             {{columns.document, "VARCHAR"}, "__document"},
             {{columns.action, "VARCHAR"}, "__action"}},
            action_columns_);
}

void IngestTables::count_unknown(const std::string& table, const IngestSource& source) {
  constexpr int kShown = 3;
  const std::string from = " FROM " + table + " e ANTI JOIN documents d ON d.__id = e.__document";
  const int64_t rows = database_.query_int64("SELECT count(*)" + from);
  std::vector<int64_t> first;
  if (rows > 0)
    database_.query(fmt::format("SELECT __row{} ORDER BY __row LIMIT {}", from, kShown),
                    [&](std::span<const ColumnView> view, size_t count) {
                      for (size_t i = 0; i < count; ++i) first.push_back(view[0].int64(i));
                    });
  if (rows > 0 && options_.unknown_documents == "error")
    source.fail_at(options_.columns.document, first[0],
                   fmt::format("{} lacks this document ({} such rows); "
                               "data.unknown_documents = \"keep\" keeps them without content",
                               documents_.name(), rows));
  nlohmann::json& summary = context_.summary[table == "raw_events" ? "events" : "actions"];
  summary["of_unknown_documents"] = rows;
  if (rows > 0) summary["first_of_unknown_documents"] = source.places(first);
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
      fail<DataError>("ingest", "more than {} {}", kNone - 1, table);
}

std::string IngestTables::split_by_time() const {
  int64_t rows = database_.query_int64("SELECT sum(events) FROM request_times");
  // The n-th time in order, by bisection: bounded memory, which a sort with an offset has not.
  auto nth_time = [&](int64_t n) {
    int64_t low = database_.query_int64("SELECT min(first) FROM request_times");
    int64_t high = database_.query_int64("SELECT max(first) FROM request_times");
    while (low < high) {
      int64_t middle = std::midpoint(low, high);
      int64_t count = database_.query_int64(
          fmt::format("SELECT sum(events) FROM request_times WHERE first <= {}", middle));
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
        "CREATE VIEW request_times AS SELECT __time AS first, 1 AS events FROM raw_events");
    database_.execute(
        "CREATE VIEW timed_events AS SELECT *, __time AS __request_time FROM raw_events");
    return;
  }
  database_.execute(
      "CREATE TABLE request_times AS SELECT __request, min(__time) AS first, count(*) AS events "
      "FROM raw_events GROUP BY 1");
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
            fail<DataError>("ingest", "{}: column '{}' names more than {} splits", events_.name(),
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
                      ensure(view[0].int64(row) == next++, "ingest",
                             "documents come in their order");
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
