#include "lemur/data/parquet_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>

#include "lemur/base/error.h"
#include "lemur/base/folder.h"
#include "lemur/base/testing.h"
#include "lemur/data/ingest_source.h"

namespace lemur {
namespace {

class ParquetFiles : public ::testing::Test {
 protected:
  std::string file(const std::string& name) const { return (folder.path() / name).string(); }
  void write_table(const std::string& name, const std::string& sql) const {
    Database database;
    database.execute("COPY (" + sql + ") TO " + sql_literal(file(name)) +
                     " (FORMAT parquet, ROW_GROUP_SIZE 2048)");
  }
  /// All rows of a table as one text.
  static std::string rows_of(Database& database, const std::string& from) {
    std::string text;
    database.query("SELECT CAST(t AS VARCHAR) FROM " + from + " t",
                   [&](std::span<const ColumnView> view, size_t rows) {
                     for (size_t row = 0; row < rows; ++row)
                       text += std::string(view[0].text(row)) + "\n";
                   });
    return text;
  }
  TemporaryFolder folder;
};

TEST_F(ParquetFiles, FilesWithSignsOfPatternsAreThemselves) {
  write_table("a[1]*?.parquet", "SELECT 7 AS x");
  write_table("a1.parquet", "SELECT 8 AS x");
  Database database;
  const SourceTable table = parquet_table(database, {file("a[1]*?.parquet")}, {"a"});
  EXPECT_EQ(database.query_int64("SELECT sum(x) FROM " + table.from), 7);
}

TEST_F(ParquetFiles, RowsKeepTheOrderOfFilesOfUnlikeColumns) {
  std::vector<std::string> files;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "f" + std::to_string(i);
    write_table(name,
                fmt::format("SELECT CAST({} * 5000 + i AS {}) AS x{} FROM range(5000) t(i)", i,
                            i % 2 == 0 ? "INTEGER" : "BIGINT", i == 3 ? ", 'a' AS y" : ""));
    files.push_back(file(name));
  }
  Database database({.threads = 3});
  const SourceTable table = parquet_table(database, files, files);
  database.execute("CREATE TABLE t AS SELECT row_number() OVER () - 1 AS n, * FROM " + table.from);
  EXPECT_EQ(database.query_int64("SELECT count(*) FROM t WHERE n = x"), 25'000);
  EXPECT_EQ(database.query_int64("SELECT count(*) FROM t WHERE n % 5000 = __place"), 25'000);
  EXPECT_EQ(database.query_int64("SELECT count(y) FROM t WHERE __file = " + sql_literal(files[3])),
            5000);
}

TEST_F(ParquetFiles, NamesOfIngestsOwnColumnsAreRefused) {
  Database database;
  for (const std::string name : {"__file", "__PLACE", "file_row_number"}) {
    write_table("a.parquet", "SELECT 7 AS x, 8 AS " + name);
    expect_error<DataError>([&] { parquet_table(database, {file("a.parquet")}, {"a"}); },
                            "a: a column cannot have the name '" + name + "'");
  }
}

TEST_F(ParquetFiles, FoldersNamedByAValueAreAColumnOfTexts) {
  std::filesystem::create_directories(folder.path() / "day=01");
  write_table("day=01/a.parquet", "SELECT 7 AS x");
  Database database;
  const SourceTable table = parquet_table(database, {file("day=01/a.parquet")}, {"a"});
  EXPECT_EQ(database.query_int64("SELECT count(*) FROM " + table.from + " WHERE day = '01'"), 1);
}

/// A file and what becomes of it when it is damaged.
class DamagedParquet : public ParquetFiles {
 protected:
  DamagedParquet() {
    write_table(
        "whole.parquet",
        "SELECT 'user ' || hash(i) % 50 AS a, i * 1000003 AS b, sqrt(i) AS c, CASE WHEN i % "
        "7 > 0 THEN 'text ' || hash(i, 1) END AS d FROM range(60) t(i)");
    whole = read_file(folder.path() / "whole.parquet");
    expected = *read(whole);
  }
  /// All rows; nothing for an error.
  std::optional<std::string> read(std::string_view bytes) {
    const std::string name = fmt::format("{}.parquet", num_read++);
    write_file_atomically(folder.path() / name, bytes);
    std::optional<std::string> rows;
    try {
      IngestSource source(*database, name, folder.path(), {});
      for (const char* column : {"a", "b", "c", "d"}) source.column(column);
      source.materialize("t", ", a, b, c, d");
      rows = rows_of(*database, "(SELECT a, b, c, d FROM t)");
    } catch (const Error&) {
    }
    std::filesystem::remove(folder.path() / name);
    try {
      database->execute("DROP TABLE IF EXISTS t");
    } catch (const Error&) {  // an error may take the whole database with it
      database.emplace(DatabaseOptions{.threads = 1});
    }
    return rows;
  }
  static bool is_long() { return std::getenv("LEMUR_LONG") != nullptr; }

  std::optional<Database> database{DatabaseOptions{.threads = 1}};
  std::string whole, expected;
  int num_read = 0;
};

TEST_F(DamagedParquet, TruncatedAtAnyByteIsAnError) {
  for (size_t size = 0; size < whole.size(); size += is_long() ? 1 : 7)
    EXPECT_FALSE(read(std::string_view(whole).substr(0, size))) << size;
}

TEST_F(DamagedParquet, FlippedBitsNeverLoseRows) {
  std::mt19937_64 random(1);
  int errors = 0, exact = 0, changed = 0;
  const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
  for (int i = 0; i < (is_long() ? 1000 : 150); ++i) {
    std::string bytes = whole;
    const size_t bit = random() % (8 * bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const auto rows = read(bytes);
    if (!rows) {
      ++errors;
      continue;
    }
    (*rows == expected ? exact : changed) += 1;
    EXPECT_EQ(lines(*rows), lines(expected)) << "bit " << bit;
  }
  EXPECT_GT(errors, 0);
  // Pages have no checksum: values of a changed page cannot be told from what was written.
  fmt::print("flips of a bit in {} bytes: {} errors, {} times the exact rows, {} times changed\n",
             whole.size(), errors, exact, changed);
}

}  // namespace
}  // namespace lemur
