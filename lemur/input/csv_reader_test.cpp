#include "lemur/input/csv_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "lemur/input/input_testing.h"

namespace lemur {
namespace {

using Row = std::vector<std::string>;

/// Reads all rows; NULL is "<null>".
std::vector<Row> read_all(CsvReader& reader) {
  std::vector<Row> rows;
  while (reader.next()) {
    rows.emplace_back();
    for (const CsvField& field : reader.fields())
      rows.back().emplace_back(field.is_null ? "<null>" : field.text);
  }
  return rows;
}

std::vector<Row> rows_of(const std::string& text, const CsvFormat& format = {}) {
  CsvReader reader(text_of(text), format);
  return read_all(reader);
}

void expect_refused(const std::string& text, const std::string& part,
                    const CsvFormat& format = {}) {
  expect_error<DataError>([&] { rows_of(text, format); }, part);
}

TEST(CsvReader, ReadsFieldsAsTheyStand) {
  CsvReader reader(text_of(" id ,name\n 1 , a b \n2,\"x\"\n"), {});
  EXPECT_EQ(reader.header(), (Row{" id ", "name"}));
  EXPECT_EQ(read_all(reader), (std::vector<Row>{{" 1 ", " a b "}, {"2", "x"}}));
}

TEST(CsvReader, ReadsEveryKindOfLineEndInOneFile) {
  const std::vector<Row> rows = {{"1", "2"}, {"3", "4"}, {"5", "6"}};
  EXPECT_EQ(rows_of("a,b\r\n1,2\n3,4\r5,6"), rows);
  EXPECT_EQ(rows_of("a,b\r1,2\r3,4\r5,6\r"), rows);
}

TEST(CsvReader, KeepsQuotedTextByteByByte) {
  EXPECT_EQ(rows_of("a,b\n\"x,\r\ny\rz\n\",\"he said \"\"no\"\"\"\n\"\"\"\",\"\"\n"),
            (std::vector<Row>{{"x,\r\ny\rz\n", "he said \"no\""}, {"\"", ""}}));
}

TEST(CsvReader, QuotesInUnquotedFieldsAreText) {
  EXPECT_EQ(rows_of("a,b\n5\" tv,men's \"best\"\n"),
            (std::vector<Row>{{"5\" tv", "men's \"best\""}}));
}

TEST(CsvReader, TheFirstQuoteMayStandInTheLastRow) {
  std::string text = "a,b\n";
  for (int i = 0; i < 30000; ++i) text += "1,2\n";
  const auto rows = rows_of(text + "\"x,y\",2\n");
  ASSERT_EQ(rows.size(), 30001U);
  EXPECT_EQ(rows.back(), (Row{"x,y", "2"}));
}

TEST(CsvReader, NothingIsAComment) {
  EXPECT_EQ(rows_of("id,b\n#1,2\n# x,3\n//,4\n").size(), 3U);
  expect_refused("id,b\n#1,2\n# exported by x\n",
                 "a.csv: line 3 has 1 fields; the header (line 1)");
  expect_refused("# exported by x\nid,b\n1,2\n", "line 2 has 2 fields; the header (line 1) has 1");
}

TEST(CsvReader, UnquotedEmptyFieldsAreNull) {
  EXPECT_EQ(rows_of("a,b,c\n,\"\",\n"), (std::vector<Row>{{"<null>", "", "<null>"}}));
  CsvFormat format;
  format.null_text = "NA";
  EXPECT_EQ(rows_of("a,b,c\nNA,\"NA\",\n", format), (std::vector<Row>{{"<null>", "NA", "<null>"}}));
}

TEST(CsvReader, RefusesRaggedLinesWithBothWidths) {
  std::string text = "a,b,c,d\n";
  for (int i = 0; i < 499; ++i) text += "1,2,3,4\n";
  expect_refused(text + "1,2,3,4,5,6\n", "a.csv: line 501 has 6 fields; the header (line 1) has 4");
  expect_refused("a,b\n\"x\n\ny\",2\n1\n", "line 5 has 1 fields; the header (line 1) has 2");
  expect_refused("a,b\n1,2,\n", "line 2 has 3 fields");
}

TEST(CsvReader, RefusesTheHeaderAgain) {
  expect_refused("id,b\n1,2\nid,b\n3,4\n", "a.csv: line 3 is the header again");
  EXPECT_EQ(rows_of("id,b\nid,c\n").size(), 1U);
}

TEST(CsvReader, RefusesQuotesThatDoNotCloseAField) {
  expect_refused("a,b\n1,2\n3,\"4\n5,6\n",
                 "a.csv: line 3 opens a quote that is not closed before the end of the file");
  expect_refused("a,b\n\"x\n\"y,2\n",
                 "line 3 closes a quote inside of field 1, opened in line 2, before 'y,2 '");
  expect_refused("a,b\n1,\"x\" \n", "line 2 closes a quote inside of field 2");
  expect_refused("\"a,b\n1,2\n", "line 1 opens a quote that is not closed");
}

TEST(CsvReader, FindsTheDelimiterInTheHeader) {
  EXPECT_EQ(rows_of("a;b\n1,5;2\n"), (std::vector<Row>{{"1,5", "2"}}));
  EXPECT_EQ(rows_of("a\tb\n1\t2,3\n"), (std::vector<Row>{{"1", "2,3"}}));
  EXPECT_EQ(rows_of("a|b\n1|2\n"), (std::vector<Row>{{"1", "2"}}));
  EXPECT_EQ(rows_of("\"a;b;c\",d\n1,2\n"), (std::vector<Row>{{"1", "2"}}));
  EXPECT_EQ(rows_of("a;b;c,d\n1;2;3\n"), (std::vector<Row>{{"1", "2", "3"}}));
  EXPECT_EQ(rows_of("a\nx\n"), (std::vector<Row>{{"x"}}));
  expect_refused("a;b,c\n1;2\n",
                 "(the header) holds ',' and ';' equally often: name one by data.csv");
  CsvFormat format;
  format.delimiter = ';';
  EXPECT_EQ(rows_of("a;b,c\n1;2\n", format), (std::vector<Row>{{"1", "2"}}));
}

TEST(CsvReader, RefusesADelimiterThatTheHeaderOfOneColumnDoesNotShow) {
  expect_refused("a\nx\ny;z\n",
                 "line 3 has 2 fields if ';' is the delimiter; the header (line 1) has 1");
  expect_refused("a\nx,y\n", "line 2 has 2 fields; the header (line 1) has 1");
  EXPECT_EQ(rows_of("a\n\"y;z\"\n"), (std::vector<Row>{{"y;z"}}));
  CsvFormat format;
  format.delimiter = ',';
  EXPECT_EQ(rows_of("a\ny;z\n", format), (std::vector<Row>{{"y;z"}}));
}

TEST(CsvReader, KnowsOtherQuotesAndEscapes) {
  CsvFormat format;
  format.quote = '\'';
  format.escape = '\'';
  EXPECT_EQ(rows_of("a,b\n'x,''y',\"2\"\n", format), (std::vector<Row>{{"x,'y", "\"2\""}}));
  format.quote = '"';
  format.escape = '\\';
  EXPECT_EQ(rows_of("a,b\n\"x\\\"\\\\\\n\",\"\\\\\"\n", format),
            (std::vector<Row>{{"x\"\\\\n", "\\"}}));
  expect_refused("a,b\n\"x\"\"y\",2\n", "closes a quote inside of field 1", format);
  expect_refused("a,b\n\"x\\\",2\n", "line 2 opens a quote that is not closed", format);
  format.quote.reset();
  EXPECT_EQ(rows_of("a,b\n\"x,y\"\n", format), (std::vector<Row>{{"\"x", "y\""}}));
}

TEST(CsvReader, SkipsAndCountsBlankLinesBeforeTheEnd) {
  CsvReader reader(text_of("a,b\n1,2\n\n\r\n3,4\n\n\n"), {});
  EXPECT_EQ(read_all(reader), (std::vector<Row>{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(reader.blank_lines(), 2);
  EXPECT_EQ(reader.line(), 5);
  expect_refused("a,b\n1,2\n \n", "line 3 has 1 fields");
}

TEST(CsvReader, BlankLinesOfOneColumnAreRowsOfNull) {
  CsvReader reader(text_of("a\n\n1\n\n\n2\n\n"), {});
  std::vector<int64_t> lines;
  std::vector<std::string> texts;
  while (reader.next()) {
    lines.push_back(reader.line());
    ASSERT_EQ(reader.fields().size(), 1U);
    texts.emplace_back(reader.fields()[0].is_null ? "<null>" : reader.fields()[0].text);
  }
  EXPECT_EQ(lines, (std::vector<int64_t>{2, 3, 4, 5, 6}));
  EXPECT_EQ(texts, (Row{"<null>", "1", "<null>", "<null>", "2"}));
  EXPECT_EQ(reader.blank_lines(), 0);
}

TEST(CsvReader, KnowsTheLineOfEveryRow) {
  CsvReader reader(text_of("\"a\n\",b\r\n1,2\r\"x\r\ny\",2\n\n3,4"), {});
  std::vector<int64_t> lines;
  while (reader.next()) lines.push_back(reader.line());
  EXPECT_EQ(lines, (std::vector<int64_t>{3, 4, 7}));
}

TEST(CsvReader, RefusesAHeaderThatIsNone) {
  expect_refused("", "a.csv is empty");
  expect_refused("\n1,2\n", "line 1 is blank; expected the header");
  expect_refused("a,b,a\n1,2,3\n", "line 1 (the header) has the column 'a' twice");
  EXPECT_EQ(rows_of(",a,\n0,1,2\n"), (std::vector<Row>{{"0", "1", "2"}}));
  EXPECT_TRUE(rows_of("a,b").empty());
}

TEST(CsvReader, RefusesARowThatDoesNotEnd) {
  const std::string text = "a,b\n1,2\n\"" + std::string(3'000'000, 'x');
  CsvReader reader(text_of(text), {}, 1 << 20);
  expect_error<DataError>(
      [&] { read_all(reader); },
      "line 3 begins a row of more than 1048576 bytes: the quote that is opened "
      "in line 3 is not closed");
}

std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

TEST(CsvReader, ReadsWhatAWriterWrote) {
  std::mt19937 random(3);
  auto below = [&](int n) { return std::uniform_int_distribution(0, n - 1)(random); };
  static const std::vector<std::string> kParts = {"a",    "\"", ",", "\n", "\r",
                                                  "\r\n", "é",  ";", " "};
  for (int table = 0; table < 300; ++table) {
    const int width = 2 + below(4);
    std::string text = "k0";
    for (int c = 1; c < width; ++c) text += ",k" + std::to_string(c);
    std::vector<Row> expected(static_cast<size_t>(below(50)));
    for (Row& row : expected) {
      text += below(2) == 0 ? "\r\n" : "\n";
      for (int c = 0; c < width; ++c) {
        std::string field;
        for (int n = below(6); n > 0; --n) field += kParts[static_cast<size_t>(below(9))];
        row.push_back(field);
        text += (c > 0 ? "," : "") + in_quotes(field);
      }
    }
    EXPECT_EQ(rows_of(text), expected) << text;
  }
}

TEST(CsvReader, ReadsRowsAcrossBlocksAndLongerThanThem) {
  std::string text = "a,b\n";
  std::vector<Row> expected;
  for (size_t i = 0; i < 40; ++i) {
    const std::string field(i * 20'011, static_cast<char>('a' + i % 26));
    expected.push_back({"x\"" + field, field.empty() ? "<null>" : field});
    text += in_quotes(expected.back()[0]) + "," + field + "\r\n";
  }
  EXPECT_TRUE(rows_of(text) == expected);
}

TEST(CsvFormat, IsWhatTheOptionsSay) {
  CsvOptions options;
  EXPECT_FALSE(csv_format(options, false).delimiter);
  EXPECT_EQ(csv_format(options, true).delimiter, '\t');
  options.delimiter = ";";
  options.quote = "'";
  EXPECT_EQ(csv_format(options, true).delimiter, ';');
  EXPECT_EQ(csv_format(options, false).quote, '\'');
  EXPECT_EQ(csv_format(options, false).escape, '\'');
  options.escape = "\\";
  EXPECT_EQ(csv_format(options, false).escape, '\\');
  options.quote = "";
  EXPECT_FALSE(csv_format(options, false).quote);
  options.delimiter = "::";
  expect_error<InvalidArgument>([&] { csv_format(options, false); }, "data.csv delimiter = '::'");
  options.delimiter = "\n";
  expect_error<InvalidArgument>([&] { csv_format(options, false); },
                                "expected one ASCII character");
  options.delimiter = options.quote = "'";
  expect_error<InvalidArgument>([&] { csv_format(options, false); }, "is its quote or escape");
}

}  // namespace
}  // namespace lemur
