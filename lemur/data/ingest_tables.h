// The inputs, checked, typed and numbered, as tables of one DuckDB database.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lemur/data/column_report.h"
#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_source.h"

namespace lemur {

/// Creates these tables; every step throws for bad input as ingest() says:
///   documents         __row, __id, the columns that the configuration names; as in the input
///   raw_events        __row, __user, __document, __query, __request, __split (texts), __time (ms),
///                     __label_<k>, __weight, the other columns that the configuration and the
///                     histories' conditions name
///   events            raw_events with __request_time, that of the request's first event, and
///                     __split also where time cuts the splits
///   raw_actions       __row, __user, __document, __action (texts), __time, the columns that the
///                     histories' conditions name
///   document_numbers  id, number: as in documents, unknown documents of events behind them
///   users, raw_queries  id, number: distinct, in the order of their first row
class IngestTables {
 public:
  /// Opens the sources and checks that they have the columns that the configuration names.
  explicit IngestTables(IngestContext& context);

  void read_documents();
  void read_events();
  void read_actions();
  void number_rows();
  /// Fills the schema's splits.
  void cut_splits();

  /// Says that an event of the training split shows the document: statistics and the vocabulary are
  /// learned on these alone. To be asked after cut_splits().
  bool is_in_training(uint32_t document) const { return is_in_training_[document]; }

  /// Streams `columns` (SQL) of documents in their order.
  void query_documents(const std::string& columns,
                       const std::function<void(std::span<const ColumnView> columns,
                                                size_t num_rows)>& consume) const;
  /// Streams the IDs of the unknown documents in their order.
  void query_unknown_documents(const std::function<void(std::string_view id)>& consume) const;

  const IngestSource& documents() const { return documents_; }
  const IngestSource& events() const { return events_; }
  bool has_actions() const { return !actions_.empty(); }
  /// Requires: has_actions().
  const IngestSource& actions() const { return actions_.front(); }

 private:
  using ColumnUses = std::map<std::string, ColumnUse>;
  void read_actions_source();
  std::vector<IngestSource::Check> id_checks() const;
  std::vector<IngestSource::Check> event_checks() const;
  /// Notes what `table` holds: "rows", "files", "blank_lines" of summary[part], and its "columns".
  void summarize(const std::string& part, const IngestSource& source, const std::string& table,
                 std::vector<ReportedColumn> columns, const ColumnUses& uses) const;
  void check_duplicates() const;
  void count_unknown(const std::string& table, const IngestSource& source);
  std::string split_by_time() const;
  void find_request_times();
  void find_training_documents();

  IngestContext& context_;
  Database& database_;
  const DataOptions& options_;
  IngestSource documents_, events_;
  std::vector<IngestSource> actions_;                             // none or one
  ColumnUses document_columns_, event_columns_, action_columns_;  // held as they are read
  std::vector<bool> is_in_training_;  // per document, the unknown ones too
};

}  // namespace lemur
