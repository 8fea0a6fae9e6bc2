#include "lemur/features/condition.h"

#include <gtest/gtest.h>

#include <map>

#include "lemur/base/error.h"

namespace lemur {
namespace {

using Row = std::map<std::string, std::optional<std::string>>;

bool holds(const std::string& text, const Row& row) {
  const Condition condition(text);
  return condition.holds([&](size_t column) -> std::optional<std::string_view> {
    const auto found = row.find(condition.columns()[column]);
    if (found == row.end() || !found->second) return std::nullopt;
    return *found->second;
  });
}

std::string refusal(const std::string& text) {
  try {
    Condition condition(text);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "none";
}

const Row kRow = {{"label", "1"},         {"rating", "4.5"}, {"action", "click"},
                  {"empty", ""},          {"none", {}},      {"user.id", "u1"},
                  {"odd \"name", "it's"}, {"flag", "True"},  {"padded", " 7 "}};

TEST(Condition, ComparesNumbersWhereANumberTakesPart) {
  for (const char* text :
       {"label = 1", "label == 1.0", "rating >= 4", "rating > -1e2", "4 < rating", "flag = true",
        "flag = 1", "padded = 7", "rating <> 4", "rating != 4", "rating between 4 and 5",
        "rating in (1, 4.5)", "rating > label", "label <= .1e1"})
    EXPECT_TRUE(holds(text, kRow)) << text;
  for (const char* text : {"label = 0", "rating < 4.5", "action = 1", "action <> 1", "empty = 0",
                           "rating not between 4 and 5", "label in (2, 3)"})
    EXPECT_FALSE(holds(text, kRow)) << text;
}

TEST(Condition, ComparesTextsByteByByte) {
  for (const char* text : {"action = 'click'", "action in ('save', 'click')", "action <> 'Click'",
                           "empty = ''", "\"odd \"\"name\" = 'it''s'", "user.id = 'u1'",
                           "rating = '4.5'", "action > 'a'", "rating > '10'"})
    EXPECT_TRUE(holds(text, kRow)) << text;
  for (const char* text : {"action = 'CLICK'", "rating = '4.50'", "action not in ('click')"})
    EXPECT_FALSE(holds(text, kRow)) << text;
}

TEST(Condition, KnowsNotWhatComparesWithNull) {
  for (const char* text :
       {"none = 1", "none <> 1", "not none = 1", "none in (1)", "none not in (1)", "label = null",
        "label in (2, null)", "label not in (2, null)", "none = 1 and label = 1",
        "not (none = 1 or label = 0)", "none between 0 and 2", "missing = 1"})
    EXPECT_FALSE(holds(text, kRow)) << text;
  for (const char* text :
       {"none is null", "label is not null", "not label is null", "none = 1 or label = 1",
        "not (none = 1 and label = 0)", "label in (1, null)", "empty is not null"})
    EXPECT_TRUE(holds(text, kRow)) << text;
}

TEST(Condition, BindsNotBeforeAndBeforeOr) {
  EXPECT_TRUE(holds("label = 1 or label = 0 and label = 0", kRow));
  EXPECT_FALSE(holds("(label = 1 or label = 0) and label = 0", kRow));
  EXPECT_TRUE(holds("not label = 0 and label = 1", kRow));
  EXPECT_FALSE(holds("not (label = 0 or label = 1)", kRow));
  EXPECT_TRUE(holds("LABEL IS NULL AND NOT label IS NULL OR label = 1", kRow));
}

TEST(Condition, NamesItsColumnsOnce) {
  EXPECT_EQ(Condition("a = 1 or b = 2 and a = 3 or \"c d\" is null").columns(),
            (std::vector<std::string>{"a", "b", "c d"}));
  EXPECT_TRUE(Condition("  ").is_empty());
  EXPECT_TRUE(holds("", {}));
}

TEST(Condition, ShowsThePlaceOfAFault) {
  const std::pair<const char*, const char*> kFaults[] = {
      {"label",
       "expected a comparison (=, <>, <, <=, >, >=), in, between or is null at character "
       "6, found the end"},
      {"label = ", "expected a column or a value at character 9, found the end"},
      {"label = 1 label = 2", "expected the end at character 11, found 'label = 2'"},
      {"(label = 1", "expected ')' at character 11"},
      {"label = 'x", "expected a closing ' at character 9"},
      {"label = 1x", "expected a number at character 9, found '1x'"},
      {"label in 1", "expected '(' at character 10"},
      {"label not = 1", "expected in or between at character 11"},
      {"label is 1", "expected null at character 10"},
      {"count(*) = 1", "at character 6, found '(*) = 1'"},
      {"1 = 1); DROP TABLE events; --", "expected the end at character 6"}};
  for (const auto& [text, message] : kFaults)
    EXPECT_NE(refusal(text).find(message), std::string::npos) << text << ": " << refusal(text);
  EXPECT_NE(refusal(std::string(300, '(')).find("at most 200 levels"), std::string::npos);
}

}  // namespace
}  // namespace lemur
