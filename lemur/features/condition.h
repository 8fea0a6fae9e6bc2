// The condition of a history (`where`): parsed once, and evaluated by the same code at ingest and
// where feedback comes in.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lemur {

/// A condition over named columns:
///   or, and, not, ( )                       as SQL's, with NULL: unknown
///   = == != <> < <= > >=                    between two columns or values
///   [not] in (value, ...)                   is [not] null
///   [not] between a and b
/// Values are numbers (1, -2.5, 1e3), texts ('click', with '' for a quote), true and false (1 and
/// 0) and null. Columns are bare names (letters, digits, _ and, inside, .) or "quoted". Words of
/// the language are read in any case. A comparison in which a number takes part compares numbers: a
/// text that is none makes it unknown. Other comparisons compare texts byte by byte. Immutable; any
/// thread.
class Condition {
 public:
  /// Value of a column: nothing for NULL.
  using Lookup = std::function<std::optional<std::string_view>(size_t column)>;

  /// Parses `text`; empty: true of everything. Throws InvalidArgument that shows the place.
  explicit Condition(std::string_view text);
  ~Condition();
  Condition(Condition&&) noexcept;
  Condition& operator=(Condition&&) noexcept;

  /// Names of the columns that it asks for, each once, in order of appearance.
  const std::vector<std::string>& columns() const { return columns_; }
  bool is_empty() const { return root_ == nullptr; }

  /// Returns true where the condition holds; false where it does not or is unknown. `lookup` is
  /// asked by place in columns(). Labels are the texts "0" and "1".
  bool holds(const Lookup& lookup) const;

  struct Node;

 private:
  std::vector<std::string> columns_;
  std::unique_ptr<const Node> root_;
};

}  // namespace lemur
