// The inputs, checked, typed and numbered, as tables of one DuckDB database.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lemur/base/options.h"
#include "lemur/data/database.h"
#include "lemur/data/ingest_source.h"

namespace lemur {

/// Fills these tables, each step throwing for bad input as ingest() says:
///   documents: row, id, text_<i>, plus the input's columns; in the order of the input, unknown
///   documents of events behind them events:    row, user, document (texts), time_ms, label_<k>,
///   weight, query, request, split, plus the input's columns users:     user, number;  splits:
///   split, number (train, valid, test, then others by name) past:      user, document (numbers),
///   time_ms, action, row, source, of history <h>
class IngestTables {
 public:
  IngestTables(Database& database, const DataOptions& options, const std::filesystem::path& base,
               nlohmann::json& summary);

  void read_documents();
  void read_events();
  void number_users_and_documents();
  void cut_splits();

  /// SQL of history h: columns user_number, time_ms, document_number, action (name), in order of
  /// user, time, row.
  std::string history_sql(size_t history) const;

  /// SQL expression of the number of an event's or action's name.
  const IngestSource& documents() const { return documents_; }
  const IngestSource& events() const { return events_; }

 private:
  void check_first(const std::string& table, const IngestSource& source,
                   const std::string& condition, const std::string& column,
                   const std::string& value, const std::string& expected);
  std::string time_sql(const IngestSource& source) const;
  void read_actions();

  Database& database_;
  const DataOptions& options_;
  nlohmann::json& summary_;
  IngestSource documents_, events_;
  std::vector<IngestSource> actions_;  // none or one
};

}  // namespace lemur
