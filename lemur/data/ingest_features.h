// Features of documents and of events.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "lemur/data/category_file.h"
#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_tables.h"
#include "lemur/data/number_file.h"

namespace lemur {

/// The features of the configuration that rows of one kind have: those of documents, or those of
/// events. Enters them into the schema, where they have their places from the start.
class FeatureColumns {
 public:
  FeatureColumns(IngestContext& context, const IngestTables& tables, bool of_documents);

  /// SQL of the columns, each with a comma before it, over the source's columns as of `alias`.
  std::string sql(const std::string& alias) const;
  size_t size() const { return columns_.size(); }

  /// Appends one row from a view of these columns.
  void append(std::span<const ColumnView> view, size_t row, bool in_training);
  /// Appends the row of a document that is known by its ID alone.
  void append_unknown(std::string_view id);

  /// Writes what is left and the scales of numbers, and notes how many values were missing.
  void close(IngestContext& context);

 private:
  struct Column {
    size_t index;  // in the schema
    std::string name;
    bool is_document_id;
    std::variant<CategoryFile, NumberFile> file;
  };
  const IngestSource& source_;
  std::vector<Column> columns_;
};

/// Enters the features of the configuration into the schema, in its order.
void declare_features(IngestContext& context);

/// Writes the columns of document features, for unknown documents too.
void write_document_features(IngestContext& context, const IngestTables& tables);

}  // namespace lemur
