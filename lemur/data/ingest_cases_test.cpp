// Inputs that other readers are known to bend or to cut short, through ingest().
#include <gtest/gtest.h>

#include <fstream>

#include "lemur/base/hash.h"
#include "lemur/data/ingest_testing.h"

namespace lemur {
namespace {

/// Times of 2023 in seconds, found and not declared; events without splits.
class IngestCase : public IngestTest {
 protected:
  IngestCase() {
    how.data.time_format.clear();
    how.data.columns.split.clear();
    how.data.feature = {{.column = "document", .of = "document"}, {.column = "user", .of = "user"}};
    write("documents.csv", "document,title\nd0,red\nd1,blue\n");
  }

  /// Events of two documents, a minute apart.
  static std::string lines(int count, const std::string& more = "") {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += fmt::format("u{},d{},{},{}{}\n", i % 3, i % 2, 1'700'000'000 + 60 * i, i % 2, more);
    return text;
  }
  static std::string parquet_events(const std::string& user = "'u' || i % 3",
                                    const std::string& label = "i % 2",
                                    const std::string& more = "") {
    return "SELECT " + user +
           " AS \"user\", 'd' || i % 2 AS document, 1700000000 + 60 * i AS time, " + label +
           " AS label" + more + " FROM range(6) t(i)";
  }
  std::vector<std::string> users() {
    SampleStore store = run();
    std::vector<std::string> names;
    for (size_t i = 0; i < store.schema().num_users; ++i) names.emplace_back(store.user_id(i));
    return names;
  }
};

constexpr const char* kHeader = "user,document,time,label\n";

TEST_F(IngestCase, ApostrophesInUnquotedQueriesAreText) {
  how.data.columns.query = "query";
  std::string text = "user,query,document,time,label\n";
  for (int i = 0; i < 300; ++i)
    text += fmt::format("u{},{},d{},{},0\n", i % 3, i == 7 || i == 150 ? "men's shoe" : "blue door",
                        i % 2, 1'700'000'000 + i);
  write("events.csv", text);
  SampleStore store = run();
  EXPECT_EQ(store.schema().num_events, 300U);
  EXPECT_EQ(store.query_text(1), "men ' s shoe");
}

TEST_F(IngestCase, AWiderHeaderInTheMiddleIsRefused) {
  write("events.csv",
        kHeader + lines(500) + "user,document,time,label,device\n" + lines(500, ",ios"));
  EXPECT_TRUE(holds(data_error(), "events.csv: line 502 has 5 fields; the header (line 1) has 4"));
}

TEST_F(IngestCase, TheHeaderAgainInTheMiddleIsRefused) {
  write("events.csv", kHeader + lines(5) + kHeader + lines(5));
  EXPECT_TRUE(holds(data_error(), "events.csv: line 7"));
}

TEST_F(IngestCase, ACommentLineIsALineLikeAnyOther) {
  write("documents.csv", "document,title\n#a,red\nd0,blue\n#b,green\nd1,black\n");
  write("events.csv", kHeader + lines(6) + "u0,#a,1700000001,1\n");
  SampleStore store = run();
  EXPECT_EQ(store.document_id(0), "#a");
  write("documents.csv", "document,title\nd0,red\n# exported\nd1,blue\n");
  EXPECT_TRUE(holds(data_error(), "documents.csv: line 3 has 1 field"));
  write("documents.csv", "document,title\nd0,red\nd1,blue\n");
  write("events.csv", "# exported by loader\n" + std::string(kHeader) + lines(6));
  EXPECT_TRUE(holds(data_error(), "events.csv: line 2 has 4 fields"));
}

TEST_F(IngestCase, TheFirstQuotedFieldMayStandInTheLastRow) {
  std::string text = "document,title\n";
  for (int i = 0; i < 30'000; ++i) text += fmt::format("d{},red cat\n", i);
  write("documents.csv", text + "last,\"red, \"\"big\"\" cat\"\n");
  write("events.csv", kHeader + lines(6));
  how.data.text = {{"title", 10}};
  EXPECT_EQ(run().schema().num_documents, 30'001U);
  write("documents.csv", text + "last,red, white\n");
  EXPECT_TRUE(
      holds(data_error(), "documents.csv: line 30002 has 3 fields; the header (line 1) has 2"));
}

TEST_F(IngestCase, ADelimiterThatTheHeaderDoesNotShowIsRefused) {
  how.data.text.clear();
  write("events.csv", kHeader + lines(6));
  write("documents.csv", "document\nd0\nd1\na;b\n");
  EXPECT_TRUE(holds(data_error(), "documents.csv: line 4 has 2 fields if ';' is the delimiter"));
  write("documents.csv", "document\nd0\nd1\n\"a;b\"\n");
  SampleStore store = run();
  EXPECT_EQ(store.document_id(2), "a;b");
}

TEST_F(IngestCase, IdsOfJsonMeetThoseOfOtherFormats) {
  const std::vector<std::string> ids = {"18446744073709551615", "123456789012345678901",
                                        "21636369-8B52-9B4A-97B7-50923CEB3FFD", "007"};
  std::string csv = "document,title\n", json;
  for (size_t i = 0; i < ids.size(); ++i) {
    csv += ids[i] + ",red\n";
    const bool is_number = i < 2;
    json += fmt::format(R"({{"user": {0}, "document": {0}, "time": {1}, "label": 1}})"
                        "\n",
                        is_number ? ids[i] : '"' + ids[i] + '"', 1'700'000'000 + i);
  }
  write("documents.csv", csv);
  write("events.jsonl", json);
  how.data.events = "events.jsonl";
  EXPECT_EQ(users(), ids);
}

TEST_F(IngestCase, MembersOfObjectsAreColumnsOfTheirOwn) {
  write("events.jsonl",
        R"({"user": {"id": 7, "name": "x"}, "document": "d0", "time": 1700000000, "label": 1})"
        "\n");
  how.data.events = "events.jsonl";
  how.data.feature.clear();
  EXPECT_TRUE(holds(data_error(), "its members: user.id, user.name"));
  how.data.columns.user = "user.id";
  EXPECT_EQ(users(), std::vector<std::string>{"7"});
  how.data.events = "e.parquet";
  write_table(
      "e.parquet",
      "SELECT {'id': 7, 'name': {'first': 'x', 'last': 'y'}} AS \"user\", 'd0' AS document, "
      "1700000000 AS time, 1 AS label");
  EXPECT_EQ(users(), std::vector<std::string>{"7"});
  how.data.columns.user = "user.name.last";
  EXPECT_EQ(users(), std::vector<std::string>{"y"});
  how.data.columns.user = "user";
  EXPECT_TRUE(holds(data_error(), "its members: user.id, user.name.first, user.name.last"));
}

TEST_F(IngestCase, AColumnThatSomeFilesLackIsMissingThere) {
  how.data.events = "e*.parquet";
  how.data.feature = {{.column = "device", .of = "context"}};
  write_table("e1.parquet", parquet_events());
  write_table("e2.parquet", parquet_events("'v'", "1", ", 'ios' AS device"));
  SampleStore store = run();
  EXPECT_EQ(summary["features"]["context device"]["missing"], 6);
  for (size_t i = 0; i < 12; ++i)
    EXPECT_EQ(store.categories(0)[i].size(), store.rows()[i] < 6 ? 0U : 1U) << i;
  // A file that has the column without a value may hold it in any type.
  write_table("e0.parquet", parquet_events("'w'", "1", ", CAST(NULL AS DOUBLE) AS device"));
  write_table("e3.parquet", parquet_events("'w'", "1", ", CAST('nan' AS DOUBLE) AS device"));
  EXPECT_EQ(run().schema().num_events, 24U);
  EXPECT_EQ(summary["features"]["context device"]["missing"], 18);
}

TEST_F(IngestCase, TypesOfAGlobAreWidenedWithoutLoss) {
  how.data.events = "e*.parquet";
  write_table("e1.parquet", parquet_events());
  write_table("e2.parquet", parquet_events("'v'", "0.6::DOUBLE"));
  EXPECT_EQ(data_error(),
            "[ingest] e2.parquet: column 'label' holds 0.6 at row 0; expected 0 or 1");
  how.data.feature = {{.column = "x", .of = "context", .kind = "number", .transform = "none"}};
  const auto error_of = [&](const char* first, const char* second) {
    write_table("e1.parquet", parquet_events("'u'", "1", std::string(", ") + first + " AS x"));
    write_table("e2.parquet", parquet_events("'u'", "1", std::string(", ") + second + " AS x"));
    return data_error();
  };
  EXPECT_TRUE(holds(error_of("9007199254740993", "0.5::DOUBLE"), "cannot take 9007199254740993"));
  EXPECT_TRUE(holds(error_of("'a'", "0.5::DOUBLE"),
                    "column 'x' is VARCHAR in e1.parquet and DOUBLE in e2.parquet"));
  EXPECT_TRUE(holds(error_of("1", "[1]"),
                    "column 'x' is INTEGER in e1.parquet and INTEGER[] in e2.parquet"));
  for (const auto& [first, second] : {std::pair("1", "0.5::DOUBLE"),
                                      {"9007199254740992", "0.5::DOUBLE"},
                                      {"1", "2.50::DECIMAL(9,2)"},
                                      {"1::UBIGINT", "-1"},
                                      {"true", "7"},
                                      {"0.25::DECIMAL(4,2)", "2.5::FLOAT"}}) {
    write_table("e1.parquet", parquet_events("'u'", "1", std::string(", ") + first + " AS x"));
    write_table("e2.parquet", parquet_events("'u'", "1", std::string(", ") + second + " AS x"));
    EXPECT_EQ(run().schema().num_events, 12U) << first;
  }
}

TEST_F(IngestCase, IdsOfTwoIntegerTypesAndTextsMeet) {
  how.data.events = "e*.parquet";
  write_table("e1.parquet", parquet_events("7::INTEGER"));
  write_table("e2.parquet", parquet_events("7::UBIGINT"));
  write_table("e3.parquet", parquet_events("'7'"));
  write_table("e4.parquet", parquet_events("encode('7')"));
  EXPECT_EQ(users(), std::vector<std::string>{"7"});
}

TEST_F(IngestCase, BytesThatAreUtf8AreText) {
  how.data.documents = "d.parquet";
  how.data.events = "e.parquet";
  how.data.columns.query = "query";
  write_table("d.parquet",
              "SELECT encode('d' || i) AS document, encode('café') AS title FROM range(2) t(i)");
  write_table("e.parquet", parquet_events("encode('zoë')", "1", ", encode('thé') AS query"));
  SampleStore store = run();
  EXPECT_EQ(store.document_id(1), "d1");
  EXPECT_EQ(store.user_id(0), "zoë");
  EXPECT_EQ(store.query_text(0), "the");
  write_table("e.parquet", parquet_events("'\\xFF'::BLOB", "1", ", encode('a') AS query"));
  EXPECT_TRUE(holds(data_error(), "e.parquet: column 'user' holds \\xFF at row 0; expected an ID"));
  write_table("e.parquet", parquet_events("'u'", "1", ", '\\xFF'::BLOB AS query"));
  EXPECT_TRUE(holds(data_error(), "column 'query' holds \\xFF at row 0; expected text in UTF-8"));
}

TEST_F(IngestCase, WholeNumbersOfAnyTypeAreOneId) {
  how.data.documents = "d.parquet";
  how.data.events = "e.parquet";
  how.data.feature = {{.column = "document", .of = "document"},
                      {.column = "kind", .of = "document"}};
  for (const char* type : {"DOUBLE", "FLOAT", "DECIMAL(9,2)", "BIGINT", "VARCHAR", "UTINYINT"}) {
    write_table("d.parquet", fmt::format("SELECT CAST(i AS {0}) AS document, '' AS title, "
                                         "CAST(10 * i AS {0}) AS kind FROM range(2) t(i)",
                                         type));
    write_table("e.parquet", fmt::format("SELECT CAST(1 AS {0}) AS \"user\", CAST(0 AS {0}) AS "
                                         "document, 1700000000 AS time, 1 AS label",
                                         type));
    SampleStore store = run();
    EXPECT_EQ(store.document_id(1), "1") << type;
    EXPECT_EQ(store.user_id(0), "1") << type;
    EXPECT_EQ(store.categories(0)[1][0], hash_bytes("1")) << type;
    EXPECT_EQ(store.categories(1)[1][0], hash_bytes("10")) << type;
  }
  for (const char* id : {"1.5::DOUBLE", "'nan'::DOUBLE", "'inf'::FLOAT", "1.5::DECIMAL(9,2)",
                         "1e17::DOUBLE", "NULL::DOUBLE"}) {
    write_table("e.parquet", parquet_events(id));
    EXPECT_TRUE(holds(data_error(), "e.parquet: column 'user' holds ")) << id;
    EXPECT_TRUE(holds(data_error(), " at row 0; expected an ID: a text or a whole number")) << id;
  }
  write_table("e.parquet", parquet_events("['a']"));
  EXPECT_TRUE(holds(invalid_argument(), "column 'user' holds lists; expected an ID in each row"));
}

TEST_F(IngestCase, NumbersOfJsonAreNamesLikeThoseOfParquet) {
  write("documents.jsonl",
        "{\"document\": 1.0, \"title\": \"\", \"kind\": 2.5}\n{\"document\": 2e0, \"kind\": 3.0}\n"
        "{\"document\": 12345678901234567890123}\n");
  write("events.csv", "user,document,time,label\nu,1,1700000000,1\nu,2,1700000001,1\n");
  how.data.documents = "documents.jsonl";
  how.data.feature = {{.column = "kind", .of = "document"}};
  SampleStore store = run();
  EXPECT_EQ(store.document_id(2), "12345678901234567890123");
  EXPECT_TRUE(store.categories(0)[0].empty());
  EXPECT_EQ(store.categories(0)[1][0], hash_bytes("3"));
}

TEST_F(IngestCase, NumbersThatNameNothingAreMissingCategories) {
  how.data.documents = "d.parquet";
  how.data.feature = {{.column = "cat", .of = "document"}};
  write_table("d.parquet",
              "SELECT 'd' || i AS document, '' AS title, ['1.0', 'nan', '2.5', NULL, 'inf', 'nan', "
              "'nan'][i + 1]::DOUBLE AS cat FROM range(7) t(i)");
  write("events.csv", kHeader + lines(6));
  SampleStore store = run();
  EXPECT_EQ(store.categories(0)[0][0], hash_bytes("1"));
  EXPECT_EQ(summary["features"]["document cat"]["missing"], 6);
  const auto& missing = summary["columns"]["documents"]["cat"]["missing"];
  EXPECT_EQ(missing[0],
            (nlohmann::json{{"why", "NULL"}, {"rows", 1}, {"first", {"d.parquet: row 3"}}}));
  EXPECT_EQ(
      missing[1],
      (nlohmann::json{{"why", "no whole number"},
                      {"rows", 5},
                      {"first", {"d.parquet: row 1", "d.parquet: row 2", "d.parquet: row 4"}}}));
}

TEST_F(IngestCase, ADamagedArchiveIsRefused) {
  write_table("e1.csv.gz", parquet_events());
  write_table("e2.csv.gz", parquet_events());
  std::string bytes = read_file(folder.path() / "e2.csv.gz");
  write("events.csv", kHeader + lines(6));
  how.data.events = "e*.csv.gz";
  EXPECT_EQ(run().schema().num_events, 12U);
  write("e2.csv.gz", std::string_view(bytes).substr(0, bytes.size() - 9));
  EXPECT_TRUE(holds(data_error(), "e2.csv.gz: truncated"));
  bytes[bytes.size() - 6] ^= 1;  // of the checksum
  write("e2.csv.gz", bytes);
  EXPECT_TRUE(holds(data_error(), "e2.csv.gz: "));
}

TEST_F(IngestCase, ItemsOfATextsListAreJoinedBySpaces) {
  write("documents.jsonl",
        "{\"document\": \"d0\", \"title\": [\"red cat\", \"slow, blue\"]}\n"
        "{\"document\": \"d1\", \"title\": \"red cat slow, blue\"}\n");
  how.data.documents = "documents.jsonl";
  how.data.text = {{"title", 20}};
  write("events.csv", kHeader + lines(6));
  SampleStore store = run();
  const auto first = store.document_tokens(0, 0), second = store.document_tokens(1, 0);
  EXPECT_GT(first.size(), 4U);
  EXPECT_TRUE(std::ranges::equal(first, second));
}

TEST_F(IngestCase, ItemsOfACategoryAreTrimmed) {
  write("documents.csv",
        "document,title,genres\nd0,,\"Action, Drama\"\nd1,,\"Action,Drama\"\nd2,, Action "
        "\nd3,,\",\"\n");
  how.data.feature = {{.column = "genres", .of = "document", .separator = ","}};
  write("events.csv", kHeader + lines(6));
  SampleStore store = run();
  EXPECT_TRUE(std::ranges::equal(store.categories(0)[0], store.categories(0)[1]));
  EXPECT_EQ(store.categories(0)[0].size(), 2U);
  EXPECT_EQ(store.categories(0)[2][0], hash_bytes("Action"));
  EXPECT_TRUE(store.categories(0)[3].empty());
}

TEST_F(IngestCase, EncodingsAndLineEndsAreToldApart) {
  write("events.csv", kHeader + lines(6));
  how.data.feature.clear();
  const auto title = [&] {
    SampleStore store = run();
    const auto tokens = store.document_tokens(0, 0);
    return std::vector<int32_t>(tokens.begin(), tokens.end());
  };
  write("documents.csv", "document,title\nd0,café\nd1,blue\n");
  const auto expected = title();
  write("documents.csv",
        "\xEF\xBB\xBF"
        "document,title\r\nd0,café\nd1,blue\r\n");
  EXPECT_EQ(title(), expected);
  write("documents.csv", "document,title\nd0,caf\xE9\nd1,blue\n");
  EXPECT_TRUE(holds(data_error(), "documents.csv: line 2 "));
  how.data.csv = {{.of = "documents", .encoding = "latin1"}};
  EXPECT_EQ(title(), expected);
}

TEST_F(IngestCase, DialectsAreSaidPerTable) {
  write("documents.csv", "document;title;price\nd0;red;12,5\nd1;blue;NA\n");
  write("events.csv", kHeader + lines(6));
  how.data.feature = {{.column = "price", .of = "document", .kind = "number", .transform = "none"}};
  how.data.csv = {{.of = "documents", .null_text = "NA", .decimal_comma = true}};
  run();
  EXPECT_EQ(summary["columns"]["documents"]["price"]["max"], "12.5");
  EXPECT_EQ(summary["columns"]["documents"]["price"]["nulls"], 1);
  write("documents.csv", "document;title;price\nd0;red;1.234\nd1;blue;NA\n");
  EXPECT_TRUE(holds(data_error(), "column 'price' holds 1.234 at row 0 (line 2)"));
}

}  // namespace
}  // namespace lemur
