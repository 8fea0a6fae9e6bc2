// Writes the sample store's columns from the checked tables.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lemur/base/folder.h"
#include "lemur/data/database.h"
#include "lemur/data/ingest.h"
#include "lemur/data/ingest_tables.h"
#include "lemur/data/sample_store.h"
#include "lemur/text/tokenizer.h"

namespace lemur {

/// One step after the other, in the order of the members. Containers grow with documents, users and
/// distinct queries, never with events.
class IngestWriter {
 public:
  IngestWriter(Database& database, const IngestOptions& options, const IngestTables& tables,
               FolderWriter& folder, nlohmann::json& summary);

  /// Trains or loads the vocabulary and writes vocab.txt.
  void write_vocabulary();
  /// Documents: IDs, keys, tokens.
  void write_documents();
  /// Distinct normalised queries; numbers them for the events.
  void write_queries();
  void write_users();
  /// Computes the counters of every event.
  void compute_counters();
  /// Features of documents and the numbers' scales.
  void write_document_features();
  /// Events with their features, in the order of the store.
  void write_events();
  void write_histories();

  const StoreSchema& schema() const { return schema_; }

 private:
  struct EventFeature {
    size_t index;     // in the schema
    std::string sql;  // over aliases e (raw_events) and c (counted)
    bool is_number;
    bool is_list = false;
    std::string separator = {};
  };
  void add_counter_features();
  void scale_number(StoreSchema::Feature& feature, const std::string& value,
                    const std::string& from, const std::string& train_condition);
  void check_numbers(const std::string& table, const IngestSource& source,
                     const std::string& column);
  std::string events_sql() const;
  void write_first_seen();
  uint8_t action_number(std::string_view name);
  std::string split_condition(const std::vector<std::string>& splits) const;

  Database& database_;
  const IngestOptions& options_;
  const IngestTables& tables_;
  FolderWriter& folder_;
  nlohmann::json& summary_;
  StoreSchema schema_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<uint64_t> query_keys_;
  std::vector<EventFeature> event_features_;
  std::map<std::string, uint8_t, std::less<>> action_numbers_;
  bool has_counters_ = false;
};

}  // namespace lemur
