// The vocabulary and what does not depend on single events: documents, queries, users.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_tables.h"
#include "lemur/text/tokenizer.h"

namespace lemur {

/// Writes vocab.txt and the columns of documents, queries and users; call in the order of the
/// members. Texts are tokenised by several threads; the result does not depend on their number.
class IngestContent {
 public:
  IngestContent(IngestContext& context, const IngestTables& tables);

  /// Loads the vocabulary, or trains it on the texts of the training split's documents and on its
  /// distinct queries.
  void write_vocabulary();
  void write_documents();
  void write_queries();
  void write_users();

  /// Returns the query of a number of raw_queries; kNone where the text holds no word.
  uint32_t query_of(int64_t raw_number) const { return query_of_[static_cast<size_t>(raw_number)]; }
  /// Keys of the queries' normalised texts: words of the tokenizer, one space between them.
  const std::vector<uint64_t>& query_keys() const { return query_keys_; }

 private:
  struct FieldCounts {
    int64_t tokens = 0, longest = 0, cut = 0;
  };
  std::vector<std::vector<int32_t>> tokenize(const std::vector<std::string_view>& texts,
                                             const std::vector<size_t>& max_tokens) const;
  std::vector<std::string> normalize(const ColumnView& texts, size_t num_rows) const;
  void train_vocabulary();

  IngestContext& context_;
  const IngestTables& tables_;
  std::optional<Tokenizer> tokenizer_;
  std::vector<uint32_t> query_of_;
  std::vector<uint64_t> query_keys_;
};

}  // namespace lemur
