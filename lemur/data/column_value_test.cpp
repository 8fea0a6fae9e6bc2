#include "lemur/data/column_value.h"

#include <gtest/gtest.h>

#include "lemur/base/error.h"
#include "lemur/data/database.h"

namespace lemur {
namespace {

/// What an expression gives as text; "NULL".
std::string value_of(Database& database, const std::string& sql) {
  std::string value;
  database.query("SELECT coalesce(CAST(" + sql + " AS VARCHAR), 'NULL')",
                 [&](std::span<const ColumnView> view, size_t) { value = view[0].text(0); });
  return value;
}

TEST(ColumnValue, WidensTypesWithoutLoss) {
  using Type = std::optional<std::string>;
  for (const auto& [a, b, wider] : std::vector<std::tuple<std::string, std::string, Type>>{
           {"INTEGER", "INTEGER", "INTEGER"},
           {"INTEGER", "BIGINT", "BIGINT"},
           {"UTINYINT", "SMALLINT", "BIGINT"},
           {"UINTEGER", "UBIGINT", "UBIGINT"},
           {"UBIGINT", "BIGINT", "HUGEINT"},
           {"BIGINT", "DOUBLE", "DOUBLE"},
           {"FLOAT", "DOUBLE", "DOUBLE"},
           {"BOOLEAN", "INTEGER", "INTEGER"},
           {"BOOLEAN", "DOUBLE", {}},
           {"DECIMAL(9,2)", "DECIMAL(12,4)", "DECIMAL(12,4)"},
           {"DECIMAL(38,0)", "DECIMAL(38,10)", {}},
           {"INTEGER", "DECIMAL(9,2)", "DECIMAL(12,2)"},
           {"DECIMAL(15,2)", "DOUBLE", "DOUBLE"},
           {"DECIMAL(18,2)", "DOUBLE", {}},
           {"VARCHAR", "BIGINT", "VARCHAR"},
           {"VARCHAR", "UUID", "VARCHAR"},
           {"VARCHAR", "DOUBLE", {}},
           {"VARCHAR", "DATE", {}},
           {"VARCHAR", "BLOB", "BLOB"},
           {"DATE", "TIMESTAMP_S", "TIMESTAMP"},
           {"TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"},
           {"BIGINT", "TIMESTAMP", {}},
           {"INTEGER[]", "BIGINT[]", "BIGINT[]"},
           {"INTEGER[]", "INTEGER", {}},
           {"DOUBLE[]", "VARCHAR[]", {}}}) {
    EXPECT_EQ(widened_type(a, b), wider) << a << " and " << b;
    EXPECT_EQ(widened_type(b, a), wider) << b << " and " << a;
  }
}

TEST(ColumnValue, ReadsNamesTextsAndNumbersOfEveryType) {
  Database database;
  struct Case {
    std::string type, value, name, text, number;
  };
  for (const Case& c : std::vector<Case>{
           {"BIGINT", "-7", "-7", "-7", "-7.0"},
           {"UBIGINT", "18446744073709551615", "18446744073709551615", "18446744073709551615",
            "1.8446744073709552e+19"},
           {"DOUBLE", "1.0", "1", "1", "1.0"},
           {"DOUBLE", "'-0.0'", "0", "0", "-0.0"},
           {"DOUBLE", "2.5", "NULL", "2.5", "2.5"},
           {"DOUBLE", "'nan'", "NULL", "NULL", "nan"},
           {"DOUBLE", "9007199254740992", "9007199254740992", "9007199254740992",
            "9007199254740992.0"},
           {"DOUBLE", "9007199254740994", "NULL", "9007199254740994.0", "9007199254740994.0"},
           {"DECIMAL(9,2)", "100.00", "100", "100", "100.0"},
           {"DECIMAL(9,2)", "2.50", "NULL", "2.5", "2.5"},
           {"DECIMAL(9,0)", "100", "100", "100", "100.0"},
           {"BOOLEAN", "true", "true", "true", "1.0"},
           {"VARCHAR", "'1.0'", "1.0", "1.0", "1.0"},
           {"VARCHAR", "'1_0'", "1_0", "1_0", "NULL"},
           {"VARCHAR", "'nan'", "nan", "nan", "nan"},
           {"BLOB", "encode('é')", "é", "é", "NULL"},
           {"BLOB", "'\\xFF'", "NULL", "NULL", "NULL"}}) {
    const SourceColumn column{"x", c.type};
    const std::string value = "CAST(" + c.value + " AS " + c.type + ")";
    EXPECT_EQ(value_of(database, name_sql_of(column, value)), c.name) << value;
    EXPECT_EQ(value_of(database, text_sql_of(column, value)), c.text) << value;
    EXPECT_EQ(value_of(database, number_sql_of(column, value)), c.number) << value;
  }
  const SourceColumn json{"x", "VARCHAR", true};
  EXPECT_EQ(value_of(database, name_sql_of(json, "'123456789012345678901'")),
            "123456789012345678901");
  EXPECT_EQ(value_of(database, name_sql_of(json, "'1e2'")), "100");
  EXPECT_EQ(value_of(database, name_sql_of(json, "'1.5'")), "NULL");
  EXPECT_EQ(value_of(database, text_sql_of(json, "'1.50'")), "1.5");
}

TEST(ColumnValue, ListsAreNamesOrOneText) {
  Database database;
  const SourceColumn column{"x", "DOUBLE[]"};
  const std::string value = "CAST([1, 2.5, NULL] AS DOUBLE[])";
  EXPECT_EQ(value_of(database, name_sql_of(column, value)), "[1, NULL, NULL]");
  EXPECT_EQ(value_of(database, text_sql_of(column, value)), "1 2.5");
  EXPECT_EQ(value_kind("DOUBLE[][]"), ValueKind::kOther);
  EXPECT_EQ(value_kind("STRUCT(a INTEGER[])"), ValueKind::kOther);
  for (const char* type : {"DOUBLE[]", "DATE", "MAP(VARCHAR, BIGINT)"})
    EXPECT_THROW(number_sql_of({"x", type}, "x"), InvalidArgument) << type;
  EXPECT_THROW(text_sql_of({"x", "DOUBLE[][]"}, "x"), InvalidArgument);
}

TEST(ColumnValue, WideningStopsAtAValueThatDoesNotFit) {
  Database database;
  const auto widened = [&](const std::string& value) {
    return value_of(database,
                    widen_sql("BIGINT", "DOUBLE", "CAST(" + value + " AS BIGINT)", "'at '"));
  };
  EXPECT_EQ(widened("-9007199254740992"), "-9007199254740992.0");
  EXPECT_EQ(widened("NULL"), "NULL");
  EXPECT_THROW(widened("9007199254740993"), DataError);
  EXPECT_EQ(value_of(database, widen_sql("INTEGER[]", "BIGINT[]", "[1, NULL]", "''")), "[1, NULL]");
}

}  // namespace
}  // namespace lemur
