#include "lemur/data/ingest_tables.h"

#include "lemur/base/error.h"

namespace lemur {
namespace {

constexpr const char* kWhere = "ingest";

std::string as_text(const std::string& column) {
  return "CAST(" + sql_name(column) + " AS VARCHAR)";
}

/// 0 or 1 of a label in any spelling, NULL for anything else.
std::string label_sql(const std::string& column) {
  return "CASE lower(trim(" + as_text(column) +
         ")) WHEN '0' THEN 0 WHEN '0.0' THEN 0 WHEN 'false' THEN 0 WHEN '1' THEN 1 WHEN '1.0' THEN "
         "1 WHEN 'true' THEN 1 END";
}

}  // namespace

IngestTables::IngestTables(Database& database, const DataOptions& options,
                           const std::filesystem::path& base, nlohmann::json& summary)
    : database_(database),
      options_(options),
      summary_(summary),
      documents_(database, options.documents, base),
      events_(database, options.events, base) {
  if (!options.actions.empty()) actions_.emplace_back(database, options.actions, base);
}

void IngestTables::check_first(const std::string& table, const IngestSource& source,
                               const std::string& condition, const std::string& column,
                               const std::string& value, const std::string& expected) {
  std::string sql = "SELECT __row, coalesce(CAST(" + value + " AS VARCHAR), 'NULL') FROM " + table +
                    " WHERE " + condition + " ORDER BY __row LIMIT 1";
  database_.query(sql, [&](std::span<const ColumnView> columns, size_t rows) {
    if (rows > 0)
      fail<DataError>(kWhere, "{}: column '{}' holds {} at row {}; expected {}", source.name(),
                      column, columns[1].text(0), columns[0].int64(0), expected);
  });
}

std::string IngestTables::time_sql(const IngestSource& source) const {
  const ColumnInfo& info = source.column(options_.columns.time);
  std::string column = sql_name(info.name);
  auto from_number = [](const std::string& number) {
    // Seconds of any date stay below 1e11, milliseconds of any date since 1973 above.
    return "CASE WHEN abs(" + number + ") < 100000000000 THEN " + number + " * 1000 ELSE " +
           number + " END";
  };
  if (info.sql_type.starts_with("TIMESTAMP") || info.sql_type == "DATE")
    return "epoch_ms(CAST(" + column + " AS TIMESTAMP))";
  std::string number = "TRY_CAST(" + column + " AS BIGINT)";
  return "coalesce(" + from_number(number) + ", epoch_ms(TRY_CAST(" + as_text(info.name) +
         " AS TIMESTAMP)))";
}

void IngestTables::read_documents() {
  const auto& columns = options_.columns;
  documents_.require(columns.document);
  for (const auto& field : options_.text) documents_.require(field.column);
  for (const auto& field : options_.image) documents_.require(field.column);
  for (const auto& feature : options_.feature)
    if (feature.of == "document") documents_.require(feature.column);
  database_.execute("CREATE TABLE documents AS SELECT row_number() OVER () - 1 AS __row, " +
                    as_text(columns.document) + " AS __id, * FROM " + documents_.sql());
  if (database_.query_int64("SELECT count(*) FROM documents") == 0)
    fail<DataError>(kWhere, "{} has no rows", documents_.name());
  check_first("documents", documents_, "__id IS NULL", columns.document, "__id", "an ID");
  database_.query(
      "SELECT __id, min(__row), max(__row) FROM documents GROUP BY __id HAVING count(*) > 1 ORDER "
      "BY min(__row) LIMIT 1",
      [&](std::span<const ColumnView> view, size_t rows) {
        if (rows > 0)
          fail<DataError>(
              kWhere,
              "{}: column '{}' holds {} at row {} and again at row {}; a document has one row",
              documents_.name(), columns.document, view[0].text(0), view[1].int64(0),
              view[2].int64(0));
      });
  summary_["documents"]["rows"] = database_.query_int64("SELECT count(*) FROM documents");
}

void IngestTables::read_events() {
  const auto& columns = options_.columns;
  for (const std::string& column : {columns.document, columns.user, columns.time})
    events_.require(column);
  for (const std::string& column : {columns.split, columns.request, columns.query, columns.weight})
    if (!column.empty()) events_.require(column);
  for (const std::string& label : columns.labels) events_.require(label);
  for (const auto& feature : options_.feature)
    if (feature.of != "document") events_.require(feature.column);

  std::string replaced, typed;
  for (size_t k = 0; k < columns.labels.size(); ++k) {
    typed += fmt::format(", {} AS __label_{}", label_sql(columns.labels[k]), k);
  }
  auto optional_text = [](const std::string& column) {
    return column.empty() ? std::string("CAST(NULL AS VARCHAR)") : as_text(column);
  };
  database_.execute(
      "CREATE TABLE raw_events AS SELECT row_number() OVER () - 1 AS __row, " +
      as_text(columns.user) + " AS __user, " + as_text(columns.document) + " AS __document, " +
      time_sql(events_) + " AS __time, " +
      (columns.weight.empty() ? "1.0::DOUBLE"
                              : "TRY_CAST(" + sql_name(columns.weight) + " AS DOUBLE)") +
      " AS __weight, " + optional_text(columns.query) + " AS __query, " +
      optional_text(columns.request) + " AS __request, " + optional_text(columns.split) +
      " AS __split" + typed + ", * FROM " + events_.sql());
  int64_t rows = database_.query_int64("SELECT count(*) FROM raw_events");
  if (rows == 0) fail<DataError>(kWhere, "{} has no rows", events_.name());
  check_first("raw_events", events_, "__user IS NULL", columns.user, "__user", "an ID");
  check_first("raw_events", events_, "__document IS NULL", columns.document, "__document", "an ID");
  check_first("raw_events", events_, "__time IS NULL", columns.time, sql_name(columns.time),
              "a timestamp, milliseconds or seconds");
  for (size_t k = 0; k < columns.labels.size(); ++k)
    check_first("raw_events", events_, fmt::format("__label_{} IS NULL", k), columns.labels[k],
                sql_name(columns.labels[k]), "0 or 1");
  if (!columns.weight.empty())
    check_first("raw_events", events_, "__weight IS NULL OR NOT isfinite(__weight) OR __weight < 0",
                columns.weight, sql_name(columns.weight), "a finite number of at least 0");
  if (!columns.split.empty())
    check_first("raw_events", events_, "__split IS NULL", columns.split, "__split",
                "the name of a split");
  if (!columns.request.empty())
    check_first("raw_events", events_, "__request IS NULL", columns.request, "__request", "an ID");
  summary_["events"]["rows"] = rows;
  read_actions();
}

void IngestTables::read_actions() {
  if (actions_.empty()) return;
  const auto& columns = options_.columns;
  const IngestSource& source = actions_.front();
  for (const std::string& column : {columns.document, columns.user, columns.time, columns.action})
    source.require(column);
  database_.execute("CREATE TABLE raw_actions AS SELECT row_number() OVER () - 1 AS __row, " +
                    as_text(columns.user) + " AS __user, " + as_text(columns.document) +
                    " AS __document, " + time_sql(source) + " AS __time, " +
                    as_text(columns.action) + " AS __action, * FROM " + source.sql());
  check_first("raw_actions", source, "__user IS NULL", columns.user, "__user", "an ID");
  check_first("raw_actions", source, "__document IS NULL", columns.document, "__document", "an ID");
  check_first("raw_actions", source, "__time IS NULL", columns.time, sql_name(columns.time),
              "a timestamp, milliseconds or seconds");
  check_first("raw_actions", source, "__action IS NULL", columns.action, "__action",
              "the name of an action");
  summary_["actions"]["rows"] = database_.query_int64("SELECT count(*) FROM raw_actions");
}

void IngestTables::number_users_and_documents() {
  const char* more =
      actions_.empty() ? "" : " UNION ALL SELECT __row, __user, __document FROM raw_actions";
  std::string all = std::string("(SELECT __row, __user, __document FROM raw_events") + more + ")";
  std::string unknown =
      "SELECT __document AS id, min(__row) AS first_row, count(*) AS times FROM " + all +
      " WHERE __document NOT IN (SELECT __id FROM documents) GROUP BY 1";
  database_.execute("CREATE TABLE unknown_documents AS " + unknown);
  int64_t count = database_.query_int64("SELECT count(*) FROM unknown_documents");
  if (count > 0 && options_.unknown_documents == "error") {
    database_.query("SELECT id, first_row FROM unknown_documents ORDER BY first_row LIMIT 1",
                    [&](std::span<const ColumnView> view, size_t rows) {
                      if (rows > 0)
                        fail<DataError>(
                            kWhere,
                            "{}: column '{}' holds {} at row {}, a document that {} lacks ({} such "
                            "documents); data.unknown_documents = \"keep\" keeps them",
                            events_.name(), options_.columns.document, view[0].text(0),
                            view[1].int64(0), documents_.name(), count);
                    });
  }
  summary_["documents"]["unknown"] = count;
  summary_["documents"]["events_of_unknown"] = database_.query_int64(
      "SELECT count(*) FROM raw_events WHERE __document IN (SELECT id FROM unknown_documents)");
  database_.execute(
      "CREATE TABLE document_numbers AS SELECT __id AS id, __row AS number FROM documents UNION "
      "ALL "
      "SELECT id, (SELECT count(*) FROM documents) + row_number() OVER (ORDER BY first_row, id) - "
      "1 FROM unknown_documents");
  database_.execute(
      "CREATE TABLE user_numbers AS SELECT __user AS id, row_number() OVER (ORDER BY min(__row), "
      "__user) - 1 AS number FROM " +
      all + " GROUP BY __user");
}

void IngestTables::cut_splits() {
  if (options_.columns.split.empty()) {
    // Events of one time stay together: a split begins with a time, not with a row.
    auto time_at = [&](double share) {
      return database_.query_int64(fmt::format(
          "SELECT CAST(quantile_disc(__time, {:.12f}) AS BIGINT) FROM raw_events", share));
    };
    double test = options_.split.test, valid = options_.split.valid;
    int64_t first_test = time_at(1 - test), first_valid = time_at(1 - test - valid);
    std::string of_time = "CASE";
    if (test > 0) of_time += fmt::format(" WHEN __time > {} THEN 'test'", first_test);
    if (valid > 0) of_time += fmt::format(" WHEN __time > {} THEN 'valid'", first_valid);
    if (test + valid > 0) {
      database_.execute("UPDATE raw_events SET __split = " + of_time + " ELSE 'train' END");
    } else {
      database_.execute("UPDATE raw_events SET __split = 'train'");
    }
  }
  database_.execute(
      "CREATE TABLE splits AS SELECT __split AS name, row_number() OVER (ORDER BY CASE __split "
      "WHEN 'train' THEN 0 WHEN 'valid' THEN 1 WHEN 'test' THEN 2 "
      "ELSE 3 END, __split) - 1 AS number, count(*) AS rows FROM raw_events GROUP BY 1");
}

std::string IngestTables::history_sql(size_t history) const {
  const HistoryOptions& options = options_.history[history];
  std::string condition = options.where.empty() ? "true" : "(" + options.where + ")";
  std::string action = "CASE";
  for (size_t k = 0; k < options_.columns.labels.size(); ++k)
    action +=
        fmt::format(" WHEN __label_{} = 1 THEN {}", k, sql_literal(options_.columns.labels[k]));
  action += " ELSE 'impression' END";
  std::string labels;
  for (size_t k = 0; k < options_.columns.labels.size(); ++k)
    labels += fmt::format("{}__label_{} AS {}", k > 0 ? ", " : "", k,
                          sql_name(options_.columns.labels[k]));
  std::string past = "SELECT __user, __document, __time, __row, " + action +
                     " AS __action, 0 AS __source FROM (SELECT * REPLACE (" + labels +
                     ") FROM raw_events) WHERE " + condition;
  if (!actions_.empty()) {
    // A condition that the actions table cannot answer (a label, say) selects none of its rows.
    std::string more =
        "SELECT __user, __document, __time, __row, __action, 1 AS __source FROM raw_actions "
        "WHERE " +
        condition;
    try {
      database_.describe(more);
      past += " UNION ALL " + more;
    } catch (const DataError&) {
      summary_["notes"].push_back(
          "history '" + options.name +
          "' takes nothing from actions: its condition does not fit their columns");
    }
  }
  std::string sql = "SELECT u.number, p.__time, d.number, p.__action FROM (" + past +
                    ") p JOIN user_numbers u ON u.id = p.__user JOIN document_numbers d ON d.id = "
                    "p.__document ORDER BY 1, 2, p.__source, p.__row";
  try {
    database_.describe(sql);
  } catch (const DataError& error) {
    fail<InvalidArgument>(kWhere, "history '{}': where = \"{}\": {}", options.name, options.where,
                          error.what());
  }
  return sql;
}

}  // namespace lemur
