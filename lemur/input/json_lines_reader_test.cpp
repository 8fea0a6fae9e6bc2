#include "lemur/input/json_lines_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "lemur/input/input_testing.h"

namespace lemur {
namespace {

using Layout = JsonLinesReader::Layout;

std::string text_of_value(const JsonScalar& value) {
  static const char* kKinds[] = {"null", "text", "bool", "integer", "number"};
  return fmt::format("{}:{}", kKinds[static_cast<int>(value.kind)], value.text);
}

/// Returns the records, each as "path=kind:text" by a blank.
std::vector<std::string> records_of(const std::string& text, Layout layout = Layout::kLines,
                                    size_t max_record_bytes = 1 << 20) {
  JsonPaths paths;
  JsonLinesReader reader(text_of(text), layout, paths, max_record_bytes);
  std::vector<std::string> records;
  while (reader.next()) {
    std::vector<std::string> members;
    for (const JsonMember& member : reader.record().members()) {
      std::string value;
      if (member.value.kind == JsonKind::kObject) value = "object";
      if (member.value.kind == JsonKind::kNested) value = "nested";
      if (member.value.kind < JsonKind::kList) value = text_of_value(member.value);
      if (member.value.kind == JsonKind::kList) {
        value = "[";
        for (const JsonScalar& item : reader.record().items(member))
          value += text_of_value(item) + ";";
        value += "]";
      }
      members.push_back(paths.name(member.path) + "=" + value);
    }
    records.push_back(fmt::format("{}", fmt::join(members, " ")));
  }
  return records;
}

std::string record_of(const std::string& text) {
  const auto records = records_of(text);
  return records.size() == 1 ? records[0] : fmt::format("{} records", records.size());
}

void expect_json_refused(const std::string& text, const std::string& part,
                         Layout layout = Layout::kLines) {
  expect_error<DataError>([&] { records_of(text, layout); }, part);
}

TEST(JsonLinesReader, KeepsScalarsAsTheyAreWritten) {
  EXPECT_EQ(record_of(R"({"a":18446744073709551615,"b":123456789012345678901,"c":"007"})"),
            "a=integer:18446744073709551615 b=integer:123456789012345678901 c=text:007");
  EXPECT_EQ(
      record_of(R"({"a":"9F0C-AB","b":"2024-01-05","c":-0,"d":1.0,"e":1E+5,"f":0.10})"),
      "a=text:9F0C-AB b=text:2024-01-05 c=integer:-0 d=number:1.0 e=number:1E+5 f=number:0.10");
  EXPECT_EQ(record_of(R"( { "a" : true , "b":false,"c":null,"d":"" } )"),
            "a=bool:true b=bool:false c=null: d=text:");
  EXPECT_EQ(record_of("{}"), "");
}

TEST(JsonLinesReader, UnescapesStrings) {
  EXPECT_EQ(record_of(R"({"a":"\"\\\/\b\f\n\r\t","b":"\u00e9\u65E5\ud83E\uDD8A x"})"),
            "a=text:\"\\/\b\f\n\r\t b=text:é日🦊 x");
  EXPECT_EQ(record_of(R"({"\u0061b":"é"})"), "ab=text:é");
}

TEST(JsonLinesReader, FlattensObjectsToPaths) {
  EXPECT_EQ(record_of(R"({"user":{"id":1,"home":{"city":"x"}},"b":{},"c":2})"),
            "user=object user.id=integer:1 user.home=object user.home.city=text:x b=object "
            "c=integer:2");
}

TEST(JsonLinesReader, KeepsArraysOfScalars) {
  EXPECT_EQ(record_of(R"({"a":["x","y\n",1,2.5,null,true],"b":[],"c":[{"x":1}],"d":[1,[2]]})"),
            "a=[text:x;text:y\n;integer:1;number:2.5;null:;bool:true;] b=[] c=nested d=nested");
}

TEST(JsonLinesReader, RefusesAKeyThatIsThereTwice) {
  expect_json_refused("{\"a\":1}\n{\"a\":1,\"a\":2}\n",
                      "a.csv: line 2: the key 'a' is there twice");
  expect_json_refused(R"({"user":{"id":1},"user.id":2})", "the key 'user.id' is there twice");
  expect_json_refused(R"({"user":{"id":1},"user":{"name":2}})", "the key 'user' is there twice");
  EXPECT_EQ(records_of("{\"a\":1}\n{\"a\":1}").size(), 2U);
}

TEST(JsonLinesReader, RefusesWhatIsNoJsonWithItsLine) {
  for (const std::string token : {"NaN", "Infinity", "-Infinity", "nan", "01", "1.", ".5", "+1",
                                  "1e", "-", "0x1", "True", "nul", "1_000", "'x'"})
    expect_json_refused("{\"a\":1}\n\n{\"a\":" + token + "}\n",
                        "a.csv: line 3: '" + token + "' is no JSON");
  expect_json_refused("{\"a\":1\n", "line 1: the object ends too early");
  expect_json_refused("{\"a\":1}{\"a\":2}\n", "line 1: found '{\"a\":2}' behind the object");
  expect_json_refused("[{\"a\":1}]\n", "line 1: expected an object");
  expect_json_refused("5\n", "line 1: expected an object");
  expect_json_refused("{\"a\":1,}\n", "line 1: expected a key in quotes");
  expect_json_refused("{\"a\":[1,]}\n", "line 1: expected a value, found ']}'");
  expect_json_refused("{\"a\" 1}\n", "expected ':' behind the key");
  expect_json_refused("{\"a\":1 2}\n", "expected ',' or '}', found '2}'");
  expect_json_refused("{\"a\":[1 2]}\n", "expected ',' or ']'");
  expect_json_refused("{a:1}\n", "expected a key in quotes");
  expect_json_refused("{\"a\":\"\t\"}\n", "control character");
  expect_json_refused("{\"a\":\"\\x\"}\n", "is no escape");
  expect_json_refused("{\"a\":\"\\ud83e\"}\n", "\\ud83e is half of a character");
  expect_json_refused("{\"a\":\"\\udd8a\"}\n", "\\udd8a is half of a character");
  expect_json_refused("{\"a\":\"\\ud83e\\u0041\"}\n", "is half of a character");
  expect_json_refused("{\"a\":\"\\u0000\"}\n", "NUL");
  expect_json_refused("{\"a\":\"\\u00g0\"}\n", "four digits");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "[";
  expect_json_refused("{\"a\":" + deep, "is nested deeper than 64");
}

TEST(JsonLinesReader, SkipsAndCountsBlankLines) {
  JsonPaths paths;
  JsonLinesReader reader(text_of("\n{\"a\":1}\r\n \t\r\n{\"a\":2}\n\n\n"), Layout::kLines, paths);
  std::vector<int64_t> lines;
  while (reader.next()) lines.push_back(reader.line());
  EXPECT_EQ(lines, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(reader.blank_lines(), 2);
  EXPECT_TRUE(records_of("").empty());
}

TEST(JsonLinesReader, ReadsDocuments) {
  const std::vector<std::string> two = {"a=integer:1", "a=integer:2"};
  for (const std::string text : {"[{\"a\":1},{\"a\":2}]", " [\n {\n\"a\":1}\n,\n{\"a\":\n2}\n] \n",
                                 "{\"a\":1}\n{\"a\":2}\n", "{\n\"a\":1\n}{\"a\":2}"})
    EXPECT_EQ(records_of(text, Layout::kDocument), two) << text;
  EXPECT_TRUE(records_of(" [ ] ", Layout::kDocument).empty());
  EXPECT_TRUE(records_of("", Layout::kDocument).empty());
  auto refused = [](const std::string& text, const std::string& part) {
    expect_json_refused(text, part, Layout::kDocument);
  };
  refused("[{\"a\":1}\n", "line 2: the file ends within the array");
  refused("[{\"a\":1},\n", "line 2: the file ends within the array");
  refused("[{\"a\":1},\n]", "line 2: expected an object");
  refused("[{\"a\":1}\n{\"a\":2}]", "line 2: found '{\"a\":2}]'; expected ',' or ']'");
  refused("[{\"a\":1}]\n,", "line 2: found ',' behind the array");
  refused("[{\"a\":\n\nx}]", "line 3: 'x' is no JSON");
  refused("[1,2]", "line 1: expected an object");
}

TEST(JsonLinesReader, ReadsRecordsAcrossBlocksAndLongerThanThem) {
  for (const Layout layout : {Layout::kLines, Layout::kDocument}) {
    std::string text;
    std::vector<std::string> expected;
    for (size_t i = 0; i < 40; ++i) {
      const std::string value(i * 20'011, static_cast<char>('a' + i % 26));
      text += "{\"a\":\"\\u0041" + value + "\",\"b\":[1,2]}\n";
      expected.push_back("a=text:A" + value + " b=[integer:1;integer:2;]");
    }
    EXPECT_TRUE(records_of(text, layout) == expected);
  }
}

TEST(JsonLinesReader, RefusesARecordThatDoesNotEnd) {
  const std::string text = "{\"a\":1}\n{\"a\":\"" + std::string(3'000'000, 'x');
  for (const Layout layout : {Layout::kLines, Layout::kDocument})
    expect_error<DataError>([&] { records_of(text, layout); },
                            "line 2: an object of more than 1048576 bytes");
}

TEST(JsonLinesReader, RefusesKeysThatAreData) {
  std::string text = "{\"scores\":{\"d0\":0";
  for (int i = 1; i < 20'000; ++i) text += fmt::format(",\"d{}\":0", i);
  expect_json_refused(text + "}}", "one of more than 10000: keys that are data");
}

/// What another parser thinks; it cannot hold numbers as large as we can.
bool is_object(const std::string& text) {
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  return !parsed.is_discarded() && parsed.is_object();
}

TEST(JsonLinesReader, TakesAndRefusesWhatAnotherParserDoes) {
  const std::string seed =
      R"({"a":[1,-2.5e3,null,{"b":"x\n\u00e9"}],"c":{"d":true,"e":[[]]},"f":"\ud83e\udd8a","g":false})";
  static const std::string kBytes = "{}[]:,\"\\ 0123456789.eE+-tfnulrasx\t/";
  std::mt19937 random(11);
  auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = seed;
    for (size_t n = 1 + below(2); n > 0; --n) {
      const size_t at = below(text.size());
      if (below(3) == 0)
        text.erase(at, 1);
      else if (below(2) == 0)
        text.insert(at, 1, kBytes[below(kBytes.size())]);
      else
        text[at] = kBytes[below(kBytes.size())];
    }
    std::string said;
    try {
      records_of(text);
    } catch (const DataError& error) {
      said = error.what();
    }
    if (said.find("twice") != std::string::npos || said.find("NUL") != std::string::npos) continue;
    const bool is_large = text.find("e3") == std::string::npos;  // the exponent was changed
    if (is_large && said.empty()) continue;
    EXPECT_EQ(said.empty(), is_object(text)) << text << "\n" << said;
    taken += said.empty() ? 1 : 0;
  }
  EXPECT_GT(taken, 1000);
}

}  // namespace
}  // namespace lemur
