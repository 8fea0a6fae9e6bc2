#include "lemur/data/column_value.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "lemur/base/error.h"
#include "lemur/data/database.h"

namespace lemur {
namespace {

constexpr std::string_view kLargestExact = "9007199254740992";  // 2^53
constexpr int kMostDigits = 38;                                 // of a DECIMAL

struct IntegerType {
  std::string_view name;
  int digits;  // of its largest value
  bool is_signed;
};
constexpr std::array kIntegers = {
    IntegerType{"TINYINT", 3, true},    IntegerType{"SMALLINT", 5, true},
    IntegerType{"INTEGER", 10, true},   IntegerType{"BIGINT", 19, true},
    IntegerType{"HUGEINT", 39, true},   IntegerType{"UTINYINT", 3, false},
    IntegerType{"USMALLINT", 5, false}, IntegerType{"UINTEGER", 10, false},
    IntegerType{"UBIGINT", 20, false},  IntegerType{"UHUGEINT", 39, false}};

const IntegerType& integer_type(std::string_view name) {
  return *std::ranges::find(kIntegers, name, &IntegerType::name);
}

/// Digits before and behind the point of a DECIMAL.
struct DecimalDigits {
  int whole = 0, scale = 0;
};

DecimalDigits decimal_digits(std::string_view sql_type) {
  int precision = 0, scale = 0;
  const char* end = sql_type.data() + sql_type.size();
  const auto read = std::from_chars(sql_type.data() + sql_type.find('(') + 1, end, precision);
  std::from_chars(read.ptr + 1, end, scale);
  return {precision - scale, scale};
}

std::string cast_sql(const std::string& value, std::string_view type) {
  return fmt::format("CAST({} AS {})", value, type);
}

/// Of a real number: the digits of a whole one, else `otherwise`.
std::string whole_real_sql(const std::string& value, const std::string& otherwise) {
  return fmt::format(
      "CASE WHEN {0} = trunc({0}) AND abs({0}) <= {1} THEN CAST(CAST({0} AS BIGINT) AS VARCHAR) "
      "{2} END",
      value, kLargestExact, otherwise);
}

std::string decimal_text_sql(std::string_view sql_type, const std::string& value) {
  std::string text = cast_sql(value, "VARCHAR");
  return decimal_digits(sql_type).scale == 0 ? text : "rtrim(rtrim(" + text + ", '0'), '.')";
}

std::string number_of_text_sql(const std::string& text, bool decimal_comma) {
  // DuckDB takes 1_000 for a number.
  return decimal_comma
             ? fmt::format(
                   "CASE WHEN NOT (contains({0}, '_') OR contains({0}, '.')) THEN "
                   "TRY_CAST(replace({0}, ',', '.') AS DOUBLE) END",
                   text)
             : fmt::format("CASE WHEN NOT contains({0}, '_') THEN TRY_CAST({0} AS DOUBLE) END",
                           text);
}

/// A value that is no list as text; as_name: NULL for what names nothing.
std::string scalar_sql(const SourceColumn& column, const std::string& value, bool as_name) {
  std::string text = cast_sql(value, "VARCHAR");
  switch (value_kind(column.sql_type)) {
    case ValueKind::kReal:
      return whole_real_sql(value, as_name ? "" : "WHEN isfinite(" + value + ") THEN " + text);
    case ValueKind::kDecimal: {
      const std::string plain = decimal_text_sql(column.sql_type, value);
      return as_name ? fmt::format("CASE WHEN NOT contains({0}, '.') THEN {0} END", plain) : plain;
    }
    case ValueKind::kBlob:
      return "TRY(decode(" + value + "))";
    case ValueKind::kJson:
      return "(" + value + " ->> '$')";  // cast to text, a JSON string would keep its quotes
    case ValueKind::kText:
      if (column.is_number_text) {
        const SourceColumn real{column.name, "DOUBLE"};
        return fmt::format("CASE WHEN regexp_full_match({0}, '-?[0-9]+') THEN {0} ELSE {1} END",
                           value, scalar_sql(real, cast_sql(value, "DOUBLE"), as_name));
      }
      return text;
    case ValueKind::kInteger:
    case ValueKind::kBool:
    case ValueKind::kTime:
      return text;
    case ValueKind::kList:
    case ValueKind::kOther:
      break;
  }
  fail<InvalidArgument>("ingest",
                        "column '{}' is {}, which is read neither as a text nor as numbers",
                        column.name, column.sql_type);
}

SourceColumn items_of(const SourceColumn& column) {
  SourceColumn items = column;
  items.sql_type = item_type(column.sql_type);
  return items;
}

/// A list's items as VARCHAR[].
std::string items_sql(const SourceColumn& column, const std::string& value, bool as_name) {
  const SourceColumn items = items_of(column);
  if (items.sql_type == "VARCHAR" && !items.is_number_text) return cast_sql(value, "VARCHAR[]");
  return fmt::format("list_transform(CAST({} AS {}[]), lambda i: {})", value, items.sql_type,
                     scalar_sql(items, "i", as_name));
}

std::string widened_integer(std::string_view a, std::string_view b) {
  const IntegerType &first = integer_type(a), &second = integer_type(b);
  const int digits = std::max(first.digits, second.digits);
  if (!first.is_signed && !second.is_signed) return digits > 20 ? "UHUGEINT" : "UBIGINT";
  const bool fits =
      (first.is_signed || first.digits < 20) && (second.is_signed || second.digits < 20);
  return digits <= 19 && fits ? "BIGINT" : "HUGEINT";
}

std::optional<std::string> widened_decimal(DecimalDigits a, DecimalDigits b) {
  const int whole = std::max(a.whole, b.whole), scale = std::max(a.scale, b.scale);
  if (whole + scale > kMostDigits) return std::nullopt;
  return fmt::format("DECIMAL({},{})", whole + scale, scale);
}

/// widened_type() of a number or BOOLEAN with another, `a` being of no later kind than `b`.
std::optional<std::string> widened_number(const std::string& a, const std::string& b) {
  constexpr int kDigitsOfReal = 15;  // decimals of so many digits come back from a DOUBLE
  const ValueKind first = value_kind(a), second = value_kind(b);
  if (second == ValueKind::kBool)
    return first == ValueKind::kInteger ? std::optional(a) : std::nullopt;
  if (second == ValueKind::kInteger) return widened_integer(a, b);
  if (second == ValueKind::kReal) return "DOUBLE";
  if (first == ValueKind::kInteger) {
    if (integer_type(a).digits > kMostDigits) return std::nullopt;
    return widened_decimal({integer_type(a).digits, 0}, decimal_digits(b));
  }
  const DecimalDigits digits = decimal_digits(b);
  if (first == ValueKind::kDecimal) return widened_decimal(decimal_digits(a), digits);
  return digits.whole + digits.scale <= kDigitsOfReal ? std::optional<std::string>("DOUBLE")
                                                      : std::nullopt;
}

}  // namespace

bool is_reserved_name(std::string_view name) {
  const auto is = [&](std::string_view reserved) {
    return std::ranges::equal(
        name, reserved, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  return is("__file") || is("__place");
}

ValueKind value_kind(std::string_view type) {
  if (type.ends_with(']'))
    return item_type(type).ends_with(']') || type.starts_with("STRUCT") || type.starts_with("MAP")
               ? ValueKind::kOther
               : ValueKind::kList;
  if (std::ranges::find(kIntegers, type, &IntegerType::name) != kIntegers.end())
    return ValueKind::kInteger;
  if (type == "FLOAT" || type == "DOUBLE") return ValueKind::kReal;
  if (type.starts_with("DECIMAL(")) return ValueKind::kDecimal;
  if (type == "BOOLEAN") return ValueKind::kBool;
  if (type == "DATE" || type.starts_with("TIMESTAMP")) return ValueKind::kTime;
  if (type == "JSON") return ValueKind::kJson;
  if (type == "BLOB") return ValueKind::kBlob;
  if (type == "VARCHAR" || type == "UUID" || type.starts_with("ENUM(") || type == "BIT" ||
      type == "INTERVAL" || type.starts_with("TIME"))
    return ValueKind::kText;
  return ValueKind::kOther;
}

std::string item_type(std::string_view type) {
  return std::string(type.substr(0, type.rfind('[')));
}

std::string text_sql_of(const SourceColumn& column, const std::string& value) {
  if (value_kind(column.sql_type) != ValueKind::kList) return scalar_sql(column, value, false);
  return fmt::format("array_to_string(list_filter({}, lambda i: i <> ''), ' ')",
                     items_sql(column, value, false));
}

std::string name_sql_of(const SourceColumn& column, const std::string& value) {
  return value_kind(column.sql_type) == ValueKind::kList ? items_sql(column, value, true)
                                                         : scalar_sql(column, value, true);
}

std::string number_sql_of(const SourceColumn& column, const std::string& value) {
  switch (value_kind(column.sql_type)) {
    case ValueKind::kInteger:
    case ValueKind::kReal:
    case ValueKind::kDecimal:
    case ValueKind::kBool:
      return cast_sql(value, "DOUBLE");
    case ValueKind::kText:
    case ValueKind::kJson:
    case ValueKind::kBlob: {
      SourceColumn plain = column;
      plain.is_number_text = false;
      return number_of_text_sql(scalar_sql(plain, value, false), column.decimal_comma);
    }
    default:
      break;
  }
  fail<InvalidArgument>("ingest", "column '{}' is {}; expected numbers", column.name,
                        column.sql_type);
}

std::optional<std::string> widened_type(const std::string& a, const std::string& b) {
  if (a == b) return a;
  const ValueKind first = value_kind(a), second = value_kind(b);
  if (first > second) return widened_type(b, a);
  const auto is_number = [](ValueKind kind) { return kind <= ValueKind::kBool; };
  if (is_number(first) && is_number(second)) {
    // Reals before decimals: of a pair with a decimal the other is of an earlier kind.
    return widened_number(a, b);
  }
  if (first == ValueKind::kTime && second == ValueKind::kTime) {
    constexpr std::string_view kZoned = "TIMESTAMP WITH TIME ZONE";
    return a == kZoned || b == kZoned ? std::string(kZoned) : "TIMESTAMP";
  }
  const auto is_text = [](ValueKind kind) {
    return kind == ValueKind::kText || kind == ValueKind::kJson;
  };
  if (is_text(second) &&
      (is_text(first) || first == ValueKind::kInteger || first == ValueKind::kBool))
    return "VARCHAR";
  if (is_text(first) && second == ValueKind::kBlob) return "BLOB";
  if (first == ValueKind::kList && second == ValueKind::kList)
    if (const auto item = widened_type(item_type(a), item_type(b))) return *item + "[]";
  return std::nullopt;
}

std::string widen_sql(const std::string& from, const std::string& to, const std::string& value,
                      const std::string& complaint) {
  if (from == to) return value;
  const ValueKind kind = value_kind(from);
  const std::string cast = cast_sql(value, to);
  const auto when = [&](const std::string& fits) {
    return fmt::format(
        "CASE WHEN {0} IS NULL OR {1} THEN {2} ELSE CAST(error({3} || CAST({0} AS "
        "VARCHAR)) AS {4}) END",
        value, fits, cast, complaint, to);
  };
  if (kind == ValueKind::kInteger && to == "DOUBLE")
    return when(fmt::format("{0} BETWEEN -{1} AND {1}", value, kLargestExact));
  if (from == "TIMESTAMP_NS") return when("epoch_ns(" + value + ") % 1000 = 0");
  if (kind == ValueKind::kList)
    return fmt::format("list_transform({}, lambda i: {})", value,
                       widen_sql(item_type(from), item_type(to), "i", complaint));
  if (to == "BLOB") return "encode(" + cast_sql(value, "VARCHAR") + ")";
  return kind == ValueKind::kJson ? "(" + value + " ->> '$')" : cast;
}

}  // namespace lemur
