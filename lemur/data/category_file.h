// A category feature's column on disk: keys of the values of each row.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lemur/data/database.h"
#include "lemur/data/ragged_file.h"
#include "lemur/features/schema.h"

namespace lemur {

/// Writes feature_<i>.offsets.u64 and feature_<i>.keys.u64. Used by ingest only.
class CategoryFile {
 public:
  /// `schema`: the feature's entry, whose separator cuts texts; lists are not cut.
  CategoryFile(const FolderWriter& folder, size_t feature, const StoreSchema::Feature& schema);

  /// Appends the keys of one value, kText or kTextList; none for NULL and for empty texts.
  void append(const ColumnView& column, size_t row);
  /// Appends the keys of the items of one row; none for empty ones.
  void append(const std::vector<std::string_view>& items);

  void close() { file_.close(); }
  uint64_t num_rows() const { return num_rows_; }
  uint64_t num_empty() const { return num_empty_; }      ///< rows without a key
  uint64_t num_dropped() const { return num_dropped_; }  ///< empty items of rows with several

 private:
  RaggedFile file_;
  bool is_list_;
  std::string separator_;
  std::vector<std::string_view> items_;
  std::vector<uint64_t> keys_;
  uint64_t num_rows_ = 0, num_empty_ = 0, num_dropped_ = 0;
};

}  // namespace lemur
