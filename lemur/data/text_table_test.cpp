#include "lemur/data/text_table.h"

#include <gtest/gtest.h>

#include "lemur/data/database.h"
#include "lemur/input/input_testing.h"

namespace lemur {
namespace {

class TextTableTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    return write_file(folder_.path() / name, bytes);
  }

  std::shared_ptr<TextTable> open(std::vector<std::filesystem::path> files,
                                  const CsvOptions& options = {}) {
    const auto format = text_format(files.front(), options);
    return std::make_shared<TextTable>(std::move(files), *format);
  }

  /// Returns what SELECT gives, cells by a |, NULL as -, items of a list by a /.
  std::vector<std::string> select(const std::string& what, const std::string& from) {
    std::vector<std::string> lines;
    database_.query("SELECT " + what + " FROM " + from,
                    [&](std::span<const ColumnView> columns, size_t rows) {
                      for (size_t row = 0; row < rows; ++row) {
                        std::string line;
                        for (const ColumnView& column : columns) {
                          if (&column != columns.data()) line += "|";
                          line += cell(column, row);
                        }
                        lines.push_back(line);
                      }
                    });
    return lines;
  }

  static std::string cell(const ColumnView& column, size_t row) {
    if (column.is_null(row)) return "-";
    try {
      return std::string(column.text(row));
    } catch (const InternalError&) {
    }
    try {
      std::vector<std::string_view> items;
      column.text_list(row, items);
      return fmt::format("[{}]", fmt::join(items, "/"));
    } catch (const InternalError&) {
      return std::to_string(column.int64(row));
    }
  }

  std::vector<std::string> read(const std::shared_ptr<TextTable>& table,
                                const std::string& what = "* EXCLUDE (__file, __place)") {
    return select(what, add_text_table(database_, table));
  }

  void expect_refused(const std::shared_ptr<TextTable>& table, const std::string& part) {
    const std::string message = message_of<DataError>([&] { read(table); });
    EXPECT_TRUE(message.starts_with("[input] ")) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }

  using Lines = std::vector<std::string>;
  TemporaryFolder folder_;
  Database database_;
};

TEST_F(TextTableTest, MatchesColumnsOfFilesByName) {
  auto table = open({write("a.csv", "id,x\n1,2\n"), write("b.csv", "y,id\n\"\",3\n\n,4\n")});
  EXPECT_EQ(read(table, "id, x, y, __place"), (Lines{"1|2|-|2", "3|-||2", "4|-|-|4"}));
  EXPECT_EQ(read(table, "__file"),
            (Lines{(folder_.path() / "a.csv").string(), (folder_.path() / "b.csv").string(),
                   (folder_.path() / "b.csv").string()}));
  const auto summary = table->summary();
  ASSERT_EQ(summary.size(), 2U);
  EXPECT_EQ(summary[0].rows, 1);
  EXPECT_EQ(summary[1].rows, 2);
  EXPECT_EQ(summary[1].blank_lines, 1);
  EXPECT_EQ(summary[1].header, (Lines{"y", "id"}));
}

TEST_F(TextTableTest, KeepsTheOrderOfManyRows) {
  std::string text = "id,x\n";
  for (int i = 0; i < 20'000; ++i)
    text += fmt::format("{},long enough to be no inline text {}\n", i, i);
  auto table =
      open({write("a.csv.gz", gzip(text)), write("b.csv.zst", zstd(text)), write("c.csv", text)});
  const std::string from = add_text_table(database_, table);
  EXPECT_EQ(database_.query_int64("SELECT count(*) FROM " + from), 60'000);
  database_.execute("CREATE TABLE t AS SELECT row_number() OVER () - 1 AS row, * FROM " + from);
  EXPECT_EQ(database_.query_int64(
                "SELECT count(*) FROM t WHERE CAST(id AS BIGINT) <> row % 20000 OR x <> 'long "
                "enough to be no inline text ' || id OR __place <> row % 20000 + 2"),
            0);
  EXPECT_EQ(select("id", from + " LIMIT 2"), (Lines{"0", "1"}));
  EXPECT_EQ(database_.query_int64("SELECT count(*) FROM " + from + " a JOIN " + from +
                                  " b ON a.id = b.id AND a.__file = b.__file"),
            60'000);
}

TEST_F(TextTableTest, FaultsLeaveDuckDbAsTheyAre) {
  std::string text = "a,b\n";
  for (int i = 0; i < 10'000; ++i) text += "1,2\n";
  expect_refused(open({write("a.csv", text + "1,2,3\n")}),
                 "a.csv: line 10002 has 3 fields; the header (line 1) has 2");
  for (size_t i = 0; i < 50'000; ++i) text += fmt::format("{},2\n", i * 0x9e3779b97f4a7c15);
  const std::string packed = gzip(text);
  expect_refused(
      open({write("a.csv.gz", packed), write("b.csv.gz", packed.substr(0, packed.size() - 1))}),
      "b.csv.gz: truncated after " + std::to_string(packed.size() - 1) + " bytes");
  expect_error<DataError>([&] { open({write("b.csv", "a,a\n")}); }, "[input] ");
  // What another statement says is still DuckDB's.
  expect_error<DataError>([&] { database_.execute("SELECT no FROM nothing"); }, "[duckdb] ");
}

TEST_F(TextTableTest, NamesThatSqlCannotTellApartAreNotSelected) {
  auto table = open({write("a.csv", "Id,id,x,,__PLACE,\n1,2,3,4,5,6\n")});
  ASSERT_EQ(table->columns().size(), 4U);
  EXPECT_NE(table->columns()[0].first_fault.find("'Id' and 'id' differ only in upper"),
            std::string::npos);
  EXPECT_NE(table->columns()[1].first_fault.find("'Id' and 'id' differ only in upper"),
            std::string::npos);
  EXPECT_EQ(table->columns()[2].first_fault, "");
  EXPECT_NE(table->columns()[3].first_fault.find("cannot have the name '__PLACE'"),
            std::string::npos);
  EXPECT_EQ(read(table), (Lines{"3"}));
}

TEST_F(TextTableTest, ColumnsOfJsonAreTheKeysOfAllLines) {
  std::string text;
  for (int i = 0; i < 30'000; ++i) text += "{\"id\":18446744073709551615}\n";
  auto table = open({write("a.jsonl", text + "{\"late\":\"x\"}\n"), write("b.jsonl", "")});
  ASSERT_EQ(table->columns().size(), 2U);
  const auto rows = read(table);
  ASSERT_EQ(rows.size(), 30'001U);
  EXPECT_EQ(rows.front(), "18446744073709551615|-");
  EXPECT_EQ(rows.back(), "-|x");
  EXPECT_EQ(read(table, "id, __place").back(), "-|30001");
}

TEST_F(TextTableTest, ObjectsAreColumnsByPath) {
  auto table = open({write(
      "a.jsonl", "{\"buyer\":null}\n{\"buyer\":{\"id\":\"007\",\"name\":\"x\"},\"b\":[{}]}\n")});
  const auto& columns = table->columns();
  ASSERT_EQ(columns.size(), 4U);
  EXPECT_TRUE(columns[0].is_object);
  EXPECT_TRUE(columns[0].first_fault.ends_with(
      "a.jsonl: line 2 holds an object in 'buyer'; its members: buyer.id, buyer.name"))
      << columns[0].first_fault;
  EXPECT_TRUE(columns[3].is_object);
  EXPECT_TRUE(columns[3].first_fault.ends_with(
      "a.jsonl: line 2 holds an array of objects or arrays in 'b'"))
      << columns[3].first_fault;
  EXPECT_EQ(read(table, "\"buyer.id\", \"buyer.name\""), (Lines{"-|-", "007|x"}));
  expect_error<DataError>([&] { read(table, "buyer"); }, "buyer");
}

TEST_F(TextTableTest, ArraysAreLists) {
  auto table = open({write("a.json",
                           "[{\"t\":[\"x\",1.50,null,true]},{\"t\":\"one\"},{\"t\":[]},"
                           "{\"t\":null},{\"u\":1}]")});
  ASSERT_EQ(table->columns().size(), 2U);
  EXPECT_TRUE(table->columns()[0].is_list);
  EXPECT_FALSE(table->columns()[1].is_list);
  EXPECT_EQ(read(table), (Lines{"[x/1.50//true]|-", "[one]|-", "[]|-", "-|-", "-|1"}));
  EXPECT_EQ(read(table, "t[3] IS NULL")[0], "1");
}

TEST_F(TextTableTest, TellsNumbersFromTexts) {
  auto table = open(
      {write("a.jsonl",
             "{\"a\":1.0,\"b\":1,\"c\":1.5,\"d\":\"1.0\",\"e\":null,\"f\":[1e3,null],\"g\":1.5}\n"
             "{\"a\":null,\"b\":2,\"c\":\"x\",\"d\":\"2\",\"e\":null,\"f\":2,\"g\":true}\n")});
  std::string found;
  for (const TextColumn& column : table->columns())
    if (column.is_number) found += column.name;
  EXPECT_EQ(found, "af");
  EXPECT_EQ(read(table, "a, b, c")[0], "1.0|1|1.5");
}

TEST_F(TextTableTest, RefusesAFileThatWasChanged) {
  auto table = open({write("a.csv", "a,b\n1,2\n")});
  write("a.csv", "b,a\n1,2\n");
  expect_refused(table, "a.csv was changed while it was read");
  table = open({write("a.jsonl", "{\"a\":1}\n")});
  write("a.jsonl", "{\"a\":1,\"b\":2}\n");
  expect_refused(table, "a.jsonl was changed while it was read");
  write("a.jsonl", "{\"a\":[1]}\n");
  expect_refused(table, "a.jsonl was changed while it was read");
}

TEST_F(TextTableTest, FormatsFollowTheEnding) {
  const CsvOptions options;
  EXPECT_EQ(text_format("x/a.csv.gz", options)->kind, TextKind::kCsv);
  EXPECT_EQ(text_format("a.tsv.zst", options)->csv.delimiter, '\t');
  EXPECT_EQ(text_format("a.json", options)->kind, TextKind::kJson);
  EXPECT_EQ(text_format("a.jsonl.gz", options)->kind, TextKind::kJsonLines);
  EXPECT_EQ(text_format("a.ndjson", options)->kind, TextKind::kJsonLines);
  EXPECT_FALSE(text_format("a.parquet", options));
  EXPECT_FALSE(text_format("a.gz", options));
}

}  // namespace
}  // namespace lemur
