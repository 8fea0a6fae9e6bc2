// The sample store: documents, queries, users, events and past actions in columns, memory-mapped;
// written once by ingest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lemur/base/folder.h"
#include "lemur/features/schema.h"
#include "lemur/features/text_match.h"

namespace lemur {

/// Rows of variable length in one array: row i is items[offsets[i], offsets[i+1]).
template <typename T>
struct RaggedView {
  std::span<const uint64_t> offsets;  ///< [num_rows + 1]; empty where there are no rows
  std::span<const T> items;

  std::span<const T> operator[](size_t row) const {
    return items.subspan(offsets[row], offsets[row + 1] - offsets[row]);
  }
  size_t size() const { return offsets.empty() ? 0 : offsets.size() - 1; }
};

/// Past actions of one user up to a moment: parallel arrays, oldest first. A slice of the store,
/// not a copy.
struct HistoryView {
  std::span<const uint32_t> documents;  ///< document indices
  std::span<const int64_t> times;       ///< milliseconds since 1970
  std::span<const uint8_t> actions;     ///< index into StoreSchema::actions

  size_t size() const { return documents.size(); }
};

/// Read-only view of a store on disk. Opening checks sizes. All members may be called from any
/// thread. Events are ordered by (split in the order of schema().splits, time, row of the input).
class SampleStore {
 public:
  static constexpr int kVersion = 5;

  /// Throws DataError when the folder is incomplete, damaged or of another version.
  explicit SampleStore(const std::filesystem::path& path, bool verify = false);

  const StoreSchema& schema() const { return schema_; }
  const nlohmann::json& manifest() const { return manifest_; }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path vocabulary_path() const { return path_ / "vocab.txt"; }

  // Documents [num_documents], queries [num_queries], users [num_users].
  std::string_view document_id(uint32_t document) const;
  std::string_view user_id(uint32_t user) const;
  std::string_view query_text(uint32_t query) const;
  std::span<const uint64_t> document_keys() const {
    return document_keys_;
  }  ///< hash_bytes of the ID
  std::span<const uint64_t> query_keys() const {
    return query_keys_;
  }  ///< hash_bytes of the normalised text
  /// Word pieces of text field `field` of a document, no special tokens, already cut to max_tokens.
  std::span<const int32_t> document_tokens(uint32_t document, size_t field) const;
  RaggedView<int32_t> query_tokens() const { return query_tokens_; }
  /// Pixels of image field `field` of a document (uint8 [pixels, pixels, 3], RGB, rows from the
  /// top); empty: no image. Throws DataError when the store is damaged there.
  std::span<const uint8_t> image(uint32_t document, size_t field) const;

  // Events [num_events].
  std::span<const int64_t> times() const { return times_; }
  /// Time of the first event of the event's request: what is known then may be shown to the model.
  std::span<const int64_t> request_times() const { return request_times_; }
  std::span<const uint32_t> users() const { return users_; }
  std::span<const uint32_t> documents() const { return documents_; }
  std::span<const uint32_t> queries() const { return queries_; }    ///< kNone where there is none
  std::span<const uint64_t> requests() const { return requests_; }  ///< key of the request
  std::span<const uint64_t> rows() const { return rows_; }  ///< row of the events input, from 0
  std::span<const float> weights() const { return weights_; }
  std::span<const uint8_t> labels(size_t task) const { return labels_[task]; }

  /// Keys of category feature `feature`: rows are documents where of == "document", else events.
  const RaggedView<uint64_t>& categories(size_t feature) const { return categories_[feature]; }
  /// Values of number feature `feature`, standardised: rows likewise. Of a match: nothing, see
  /// matcher().
  std::span<const float> numbers(size_t feature) const { return numbers_[feature]; }

  /// Computes the numbers of text match; null where the schema has none.
  const TextMatcher* matcher() const { return matcher_.get(); }

  /// Key of each event for counter `counter` [num_events].
  std::span<const uint64_t> counter_keys(size_t counter) const {
    return counter_columns_[counter].keys;
  }
  /// counter_part() of each document's value in column `column` of the counter's key
  /// [num_documents]; empty where the column is not of documents.
  std::span<const uint64_t> counter_parts(size_t counter, size_t column) const {
    return counter_columns_[counter].parts[column];
  }

  /// Returns the user's actions of history `history` that a request at `request_time` may see
  /// (features/known.h), at most its length, oldest first.
  HistoryView history(size_t history, uint32_t user, int64_t request_time) const;
  /// Returns the actions of history `history` of all users, user by user: what `history` returns is
  /// a slice of them.
  HistoryView actions(size_t history) const { return actions_[history].all; }
  /// Returns the raw request ID as text, for predictions: the request column's value, or
  /// "user:time" where it is derived.
  std::string request_name(uint64_t event) const;
  /// Age of the document at the event in ms: event time minus the document's first appearance in
  /// any event.
  std::span<const int64_t> document_first_seen() const { return document_first_seen_; }

 private:
  void map_documents();
  void map_images();
  void map_events();
  void map_features();
  void map_counters();
  void map_histories();
  void open_matcher();

  std::filesystem::path path_;
  nlohmann::json manifest_;
  StoreSchema schema_;
  std::vector<MappedFile> files_;
  RaggedView<char> document_ids_, user_ids_, query_texts_, request_ids_;
  RaggedView<int32_t> document_tokens_,
      query_tokens_;  // document_tokens_: row = document * num_fields + field
  std::span<const uint64_t> document_keys_, query_keys_, requests_, rows_;
  std::span<const int64_t> times_, request_times_, document_first_seen_;
  std::span<const uint32_t> users_, documents_, queries_;
  std::span<const float> weights_;
  std::vector<std::span<const uint8_t>> labels_;
  std::vector<RaggedView<uint64_t>> categories_;
  std::vector<std::span<const float>> numbers_;
  struct CounterColumns {
    std::span<const uint64_t> keys;
    std::vector<std::span<const uint64_t>> parts;
  };
  std::vector<CounterColumns> counter_columns_;
  struct ImageColumns {
    std::span<const uint32_t> rows;  // [num_documents]: row of pixels; kNone: no image
    std::span<const uint8_t> pixels;
    size_t size;  // of one image
  };
  std::vector<ImageColumns> images_;
  struct ActionColumns {
    std::span<const uint64_t> offsets;  // [num_users + 1]
    HistoryView all;
  };
  std::vector<ActionColumns> actions_;
  std::unique_ptr<const TextMatcher> matcher_;
};

/// Appends items of a column to a file; buffered. Used by ingest only.
class ColumnFile {
 public:
  /// Creates or empties the file. Throws DataError when that is impossible.
  explicit ColumnFile(const std::filesystem::path& path);
  ~ColumnFile();
  ColumnFile(ColumnFile&&) noexcept;
  /// Appends raw bytes. Throws DataError when they cannot be written. Requires: not closed.
  void append(const void* data, size_t size_bytes);
  /// Appends one item as it lies in memory. Requires: T is a plain number.
  template <typename T>
  requires std::is_arithmetic_v<T>
  void append(const T& item) { append(&item, sizeof(T)); }
  /// Flushes and closes; throws DataError when the disk is full. Closing twice is allowed; the
  /// destructor closes without reporting.
  void close();

 private:
  std::string name_;
  void* file_ = nullptr;  // FILE*
};

}  // namespace lemur
