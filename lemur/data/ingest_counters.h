// Point-in-time counters: what was known of a key when each event's request began.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_tables.h"
#include "lemur/data/number_file.h"

namespace lemur {

/// Returns the counters of `data`, or those that stand for none (data.click_counters).
std::vector<CounterOptions> counters_of(const DataOptions& data);

/// One [[data.counter]]: enters it into the schema, makes the key of each event and, while events
/// are written in the order of the store, takes down what it needs on disk; then it passes over all
/// of them by time. What an event sees is features/known.h's rule at its request's first time.
/// Memory grows with the number of distinct keys that a window holds, not with events.
class CounterPass {
 public:
  /// Throws InvalidArgument for a window within the delay and for a split that the schema lacks.
  CounterPass(IngestContext& context, const IngestTables& tables, size_t index);

  /// SQL of the columns that append() takes, each with a comma before it.
  std::string sql() const { return sql_; }
  size_t num_columns() const { return num_columns_; }

  /// Appends the next event in the order of the store; `values`: this counter's columns.
  void append(int64_t time, int64_t request_time, uint32_t document, bool label,
              std::span<const ColumnView> values, size_t row);

  /// Writes both features of the events (counter_values) and adds them to the schema.
  void write_features(IngestContext& context);

  size_t label() const { return label_; }

 private:
  struct Event {
    int64_t time;
    uint64_t key_and_label;  // key << 1 | label
  };
  struct Request {
    int64_t time;  // of the request's first event
    uint64_t key, event;
  };
  void read_document_parts(IngestContext& context, const IngestTables& tables, size_t column);
  std::vector<size_t> counted_splits(const StoreSchema& schema) const;
  void sort_requests() const;
  void pass(const StoreSchema& schema, std::span<double> rates, std::span<double> counts);
  void write_feature(IngestContext& context, const char* kind, std::span<const double> values);

  size_t index_, label_ = 0;
  StoreSchema::Counter counter_;
  std::filesystem::path events_path_, requests_path_;
  ColumnFile events_, requests_, keys_;
  std::string sql_;
  size_t num_columns_ = 0;
  std::vector<std::vector<uint64_t>> document_parts_;  // per column of the key; of documents only
  std::vector<uint64_t> parts_;
  uint64_t num_events_ = 0;
  size_t most_keys_ = 0;
};

}  // namespace lemur
