// SQL that reads a column of any type as texts, names and numbers, and as a wider type.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lemur {

/// A column of an input table.
struct SourceColumn {
  std::string name;
  std::string sql_type;         ///< as DuckDB names it
  bool is_number_text = false;  ///< a text (or list) that holds numbers as they were written
  bool decimal_comma = false;   ///< its texts write numbers with a comma
  std::string fault = {};       ///< why its values cannot be read; empty: they can
};

/// Says that ingest gives the name, in upper or lower case, to a column of its own (where a row
/// stands): an input's column cannot have it.
bool is_reserved_name(std::string_view name);

enum class ValueKind {
  kInteger,
  kReal,
  kDecimal,
  kBool,
  kTime,
  kText,
  kJson,
  kBlob,
  kList,
  kOther
};

ValueKind value_kind(std::string_view sql_type);

/// Returns the type of a list's items. Requires: kList.
std::string item_type(std::string_view sql_type);

// `value`: SQL of a value of the column. Requires: the column has no fault.

/// The value as text; NULL for NULL, NaN, infinity, and bytes that are no UTF-8. Whole numbers are
/// their digits whatever their type ("1" of 1.0); items of a list, but for empty ones, are joined
/// by a space.
std::string text_sql_of(const SourceColumn& column, const std::string& value);

/// The value as the name of something (an ID, a category), of a list as VARCHAR[]: its text, NULL
/// also for fractions and reals beyond 2^53, where they leave out integers.
std::string name_sql_of(const SourceColumn& column, const std::string& value);

/// The value as DOUBLE: NULL where it is none. Throws InvalidArgument for a type that holds no
/// numbers.
std::string number_sql_of(const SourceColumn& column, const std::string& value);

/// Returns the type that takes every value of two without loss, or the values of which tell whether
/// it does (widen_sql); nothing where there is none.
std::optional<std::string> widened_type(const std::string& a, const std::string& b);

/// The value as of a type that widened_type() gave for its own and others; a value that it cannot
/// take stops the statement with the text that `complaint` (SQL) gives and the value.
std::string widen_sql(const std::string& from, const std::string& to, const std::string& value,
                      const std::string& complaint);

}  // namespace lemur
