#include "lemur/data/category_file.h"

#include <fmt/format.h>

#include "lemur/features/category.h"

namespace lemur {

CategoryFile::CategoryFile(const FolderWriter& folder, size_t feature,
                           const StoreSchema::Feature& schema)
    : file_(folder, fmt::format("feature_{}", feature), ".keys.u64"),
      is_list_(schema.is_list),
      separator_(schema.separator) {}

void CategoryFile::append(const ColumnView& column, size_t row) {
  items_.clear();
  if (column.is_null(row)) return append(items_);
  if (is_list_) {
    column.text_list(row, items_);
  } else {
    num_dropped_ += for_each_item(column.text(row), separator_,
                                  [&](std::string_view item) { items_.push_back(item); });
  }
  append(items_);
}

void CategoryFile::append(const std::vector<std::string_view>& items) {
  keys_.clear();
  for (std::string_view item : items) {
    if (item.empty())
      ++num_dropped_;
    else
      keys_.push_back(category_key(item));
  }
  ++num_rows_;
  num_empty_ += keys_.empty();
  file_.append(std::span<const uint64_t>(keys_));
}

}  // namespace lemur
