#include "lemur/data/database.h"

#include <gtest/gtest.h>

#include "lemur/base/error.h"
#include "lemur/data/sample_store_testing.h"

namespace lemur {
namespace {

TEST(Database, StreamsTypedColumnsChunkByChunk) {
  Database database;
  size_t chunks = 0, row_of_all = 0;
  database.query(
      "SELECT i, i / 2.0::DOUBLE, 't' || i, i % 2 = 1, make_timestamp(i), CASE WHEN i % 3 > 0 THEN "
      "i END, [i::VARCHAR, NULL, ''] FROM range(5000) t(i)",
      [&](std::span<const ColumnView> columns, size_t rows) {
        ++chunks;
        ASSERT_EQ(columns.size(), 7U);
        for (size_t row = 0; row < rows; ++row, ++row_of_all) {
          auto i = static_cast<int64_t>(row_of_all);
          EXPECT_EQ(columns[0].int64(row), i);
          EXPECT_EQ(columns[1].number(row), static_cast<double>(i) / 2);
          EXPECT_EQ(columns[2].text(row), fmt::format("t{}", i));
          EXPECT_EQ(columns[3].int64(row), i % 2);
          EXPECT_EQ(columns[4].int64(row), i);
          EXPECT_EQ(columns[5].is_null(row), i % 3 == 0);
          std::vector<std::string_view> items;
          columns[6].text_list(row, items);
          EXPECT_EQ(items, (std::vector<std::string_view>{std::to_string(i), "", ""}));
        }
      });
  EXPECT_EQ(row_of_all, 5000U);
  EXPECT_GT(chunks, 1U);
}

TEST(Database, RefusesToReadAColumnAsAnotherType) {
  Database database;
  database.query("SELECT 1::INTEGER, 'x'", [](std::span<const ColumnView> columns, size_t) {
    EXPECT_THROW(columns[0].int64(0), InternalError);
    EXPECT_THROW(columns[1].int64(0), InternalError);
    EXPECT_THROW(columns[0].text(0), InternalError);
    std::vector<std::string_view> items;
    EXPECT_THROW(columns[1].text_list(0, items), InternalError);
  });
}

TEST(Database, DescribesColumnsWithoutRunningTheStatement) {
  Database database;
  auto columns = database.describe(
      "SELECT 1::BIGINT AS a, 1::TINYINT AS b, 'x' AS c, ['x'] AS d, NULL::TIMESTAMP AS e, "
      "error('ran') AS f");
  ASSERT_EQ(columns.size(), 6U);
  EXPECT_EQ(columns[0].name, "a");
  EXPECT_EQ(columns[0].type, ColumnType::kInt64);
  EXPECT_EQ(columns[1].type, ColumnType::kOther);
  EXPECT_EQ(columns[1].sql_type, "TINYINT");
  EXPECT_EQ(columns[2].type, ColumnType::kText);
  EXPECT_EQ(columns[3].type, ColumnType::kTextList);
  EXPECT_EQ(columns[4].type, ColumnType::kTimestamp);
}

TEST(Database, ThrowsDuckDbsMessageOnOneLine) {
  Database database;
  auto nothing = [](std::span<const ColumnView>, size_t) {};
  for (const auto& work : std::vector<std::function<void()>>{
           [&] { database.execute("SELECT * FROM missing_table"); },
           [&] { database.describe("SELECT * FROM missing_table"); },
           [&] { database.query("SELECT * FROM missing_table", nothing); }}) {
    std::string message = message_of<Error>(work);
    EXPECT_TRUE(message.starts_with("[duckdb] ")) << message;
    EXPECT_NE(message.find("missing_table"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(Database, ThrowsWhenARowInTheMiddleOfAStreamFails) {
  Database database({.threads = 1});
  size_t seen = 0;
  std::string message = message_of<Error>([&] {
    database.query(
        "SELECT CAST(CASE WHEN i = 900000 THEN 'x' ELSE '1' END AS BIGINT) FROM range(1000000) "
        "t(i)",
        [&](std::span<const ColumnView>, size_t rows) { seen += rows; });
  });
  EXPECT_NE(message.find("Could not convert string 'x'"), std::string::npos) << message;
  EXPECT_LT(seen, 1000000U);
  EXPECT_EQ(database.query_int64("SELECT 7"), 7);  // and works on
}

TEST(Database, PassesOnWhatTheConsumerThrows) {
  Database database;
  EXPECT_THROW(
      database.query("SELECT * FROM range(100000)",
                     [](std::span<const ColumnView>, size_t) { fail<DataError>("test", "stop"); }),
      DataError);
  EXPECT_EQ(database.query_int64("SELECT 7"), 7);
}

TEST(Database, NeverLoadsExtensionsByItself) {
  Database database;
  EXPECT_EQ(database.query_int64("SELECT count(*) FROM duckdb_settings() WHERE name IN "
                                 "('autoinstall_known_extensions', 'autoload_known_extensions') "
                                 "AND value = 'false'"),
            2);
}

TEST(Database, TakesTimesWithoutAZoneAsUtc) {
  Database database;
  EXPECT_EQ(database.query_int64("SELECT epoch_ms('2024-01-01 00:00:00'::TIMESTAMPTZ)"),
            1704067200000);
  EXPECT_EQ(database.query_int64("SELECT epoch_ms('2024-01-01 02:00:00+02'::TIMESTAMPTZ)"),
            1704067200000);
}

TEST(Database, QuotesLiteralsAndNames) {
  EXPECT_EQ(sql_literal("it's"), "'it''s'");
  EXPECT_EQ(sql_name("a \"b\""), "\"a \"\"b\"\"\"");
  Database database;
  EXPECT_EQ(database.query_int64("SELECT length(" + sql_literal("it's") + ")"), 4);
}

class ParquetWriterTest : public ::testing::TestWithParam<int> {
 protected:
  TemporaryFolder folder;
  std::string path = (folder.path() / "a 'quoted' name.parquet").string();
};

TEST_P(ParquetWriterTest, WritesWhatItIsGivenInOrder) {
  using enum ColumnType;
  ParquetWriter writer(path, {{"i", kInt64},
                              {"d", kDouble},
                              {"te xt", kText},
                              {"b", kBool},
                              {"t", kTimestamp},
                              {"l", kFloatList}});
  for (int64_t i = 0; i < GetParam(); ++i) {
    writer.append(i);
    if (i % 3 == 0) {
      writer.append_null();
    } else {
      writer.append(static_cast<double>(i) / 2);
    }
    writer.append(std::string_view(fmt::format("text {}", i)));
    writer.append(i % 2);
    writer.append(i * 1000000);
    writer.append(std::vector<float>(static_cast<size_t>(i % 3), static_cast<float>(i) / 2));
    writer.end_row();
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  Database database;
  std::string from = " FROM read_parquet(" + sql_literal(path) + ")";
  EXPECT_EQ(database.query_int64("SELECT count(*)" + from), GetParam());
  EXPECT_EQ(database.query_int64(
                "SELECT count(*)" + from +
                " WHERE i <> file_row_number OR (d IS NULL) <> (i % 3 = 0) OR d <> i / 2 OR "
                "\"te xt\" <> 'text ' || i OR b <> (i % 2 = 1) OR epoch_ms(t) <> i * 1000 OR "
                "typeof(l) <> 'FLOAT[]' OR len(l) <> i % 3 OR list_sum(l) <> i % 3 * i / 2"),
            0);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ParquetWriterTest, ::testing::Values(0, 1, 31, 32, 33, 5000));

TEST_F(ParquetWriterTest, LeavesNothingBehindUnlessFinished) {
  {
    ParquetWriter writer(path, {{"i", ColumnType::kInt64}});
    writer.append(int64_t{1});
    writer.end_row();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  {
    ParquetWriter writer(path, {{"i", ColumnType::kInt64}});
    writer.finish();
  }
  auto files = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(ParquetWriterTest, RefusesRowsThatDoNotFitTheColumns) {
  ParquetWriter writer(path, {{"i", ColumnType::kInt64}, {"t", ColumnType::kText}});
  EXPECT_THROW(writer.append(std::string_view("x")), InternalError);
  ParquetWriter other(path + "2", {{"i", ColumnType::kInt64}, {"t", ColumnType::kText}});
  other.append(int64_t{1});
  EXPECT_THROW(other.end_row(), InternalError);
  other.append_null();
  EXPECT_THROW(other.append(int64_t{1}), InternalError);
  EXPECT_THROW(ParquetWriter(path + "3", {{"x", ColumnType::kTextList}}), InvalidArgument);
  EXPECT_THROW(ParquetWriter("/nowhere/x.parquet", {{"i", ColumnType::kInt64}}), DataError);
}

}  // namespace
}  // namespace lemur
