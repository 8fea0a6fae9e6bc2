#include "lemur/data/category_file.h"

#include <fmt/format.h>

#include "lemur/base/hash.h"
#include "lemur/data/separated.h"

namespace lemur {

CategoryFile::CategoryFile(const FolderWriter& folder, size_t feature, bool is_list,
                           std::string separator)
    : file_(folder, fmt::format("feature_{}", feature), ".keys.u64"),
      is_list_(is_list),
      separator_(std::move(separator)) {}

void CategoryFile::append(const ColumnView& column, size_t row) {
  items_.clear();
  if (column.is_null(row)) return append(items_);
  if (is_list_) {
    column.text_list(row, items_);
    return append(items_);
  }
  for_each_part(column.text(row), separator_,
                [&](std::string_view part) { items_.push_back(part); });
  append(items_);
}

void CategoryFile::append(const std::vector<std::string_view>& items) {
  keys_.clear();
  for (std::string_view item : items)
    if (!item.empty()) keys_.push_back(hash_bytes(item));
  ++num_rows_;
  num_empty_ += keys_.empty();
  file_.append(std::span<const uint64_t>(keys_));
}

}  // namespace lemur
